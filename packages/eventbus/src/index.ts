/**
 * Typed, durable events: publish, subscribe, retry, dead letter.
 *
 * An event passes through the modules in this order. An `EventType` creates an `Event`.
 * `EventBus.publish` encodes it (`EventCodec`) into an `Envelope`. A `Broker` puts the
 * envelope into queues, and hands it out as a `Delivery`. A `Subscription` decodes the
 * delivery, and a `Handler` handles the event. When the handler fails, a
 * `FailurePolicy` answers with a `Settlement`.
 *
 * @since 0.1.0
 */

export * as Batch from "./subscribe/Batch.ts"
export * as Broker from "./broker/Broker.ts"
export * as BrokerError from "./broker/BrokerError.ts"
export * as Causation from "./event/Causation.ts"
export * as Control from "./Control.ts"
export * as Correlation from "./event/Correlation.ts"
export * as DeadLetter from "./deadletters/DeadLetter.ts"
export * as DeadLetters from "./deadletters/DeadLetters.ts"
export * as DecodedDelivery from "./subscribe/DecodedDelivery.ts"
export * as Delivery from "./broker/Delivery.ts"
export * as DeliveryObserver from "./subscribe/DeliveryObserver.ts"
export * as Envelope from "./broker/Envelope.ts"
export * as Event from "./event/Event.ts"
export * as EventBus from "./EventBus.ts"
export * as EventCodec from "./event/EventCodec.ts"
export * as EventType from "./event/EventType.ts"
export * as FailurePolicy from "./subscribe/FailurePolicy.ts"
export * as Fault from "./broker/Fault.ts"
export * as Handler from "./subscribe/Handler.ts"
export * as IsoTime from "./broker/IsoTime.ts"
export * as MemoryBroker from "./memory/MemoryBroker.ts"
export * as Metrics from "./telemetry/Metrics.ts"
export * as Middleware from "./Middleware.ts"
export * as Priority from "./broker/Priority.ts"
export * as PublishError from "./broker/PublishError.ts"
export * as Publisher from "./publish/Publisher.ts"
export * as QueueSpec from "./broker/QueueSpec.ts"
export * as Reply from "./event/Reply.ts"
export * as Request from "./Request.ts"
export * as Requester from "./request/Requester.ts"
export * as RequestError from "./request/RequestError.ts"
export * as RoutingKey from "./broker/RoutingKey.ts"
export * as DeadLetterFilter from "./deadletters/DeadLetterFilter.ts"
export * as Settlement from "./subscribe/Settlement.ts"
export * as Subscriber from "./subscribe/Subscriber.ts"
export * as Subscription from "./subscribe/Subscription.ts"
export * as SubscriptionState from "./subscribe/SubscriptionState.ts"
export * as Traceparent from "./telemetry/Traceparent.ts"
export * as Version from "./event/Version.ts"
