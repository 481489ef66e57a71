/**
 * Typed, durable events: publish, subscribe, retry, dead letter.
 *
 * The way of an event is the order of the modules: an `EventType` makes an
 * `Event`; `EventBus.publish` encodes it (`EventCodec`) into an `Envelope`, which
 * a `Broker` moves into queues and hands out as a `Delivery`; a `Subscription`
 * decodes it, a `Handler` handles it, a `FailurePolicy` answers its failure with
 * a `Settlement`.
 *
 * @since 0.1.0
 */

export * as Broker from "./Broker.ts"
export * as BrokerError from "./BrokerError.ts"
export * as Causation from "./Causation.ts"
export * as Correlation from "./Correlation.ts"
export * as DeadLetter from "./DeadLetter.ts"
export * as DeadLetters from "./DeadLetters.ts"
export * as Delivery from "./Delivery.ts"
export * as Envelope from "./Envelope.ts"
export * as Event from "./Event.ts"
export * as EventBus from "./EventBus.ts"
export * as EventCodec from "./EventCodec.ts"
export * as EventType from "./EventType.ts"
export * as FailurePolicy from "./FailurePolicy.ts"
export * as Fault from "./Fault.ts"
export * as Handler from "./Handler.ts"
export * as MemoryBroker from "./MemoryBroker.ts"
export * as Metrics from "./Metrics.ts"
export * as Priority from "./Priority.ts"
export * as PublishError from "./PublishError.ts"
export * as RoutingKey from "./RoutingKey.ts"
export * as Selection from "./Selection.ts"
export * as Settlement from "./Settlement.ts"
export * as Subscriber from "./Subscriber.ts"
export * as Subscription from "./Subscription.ts"
export * as Traceparent from "./Traceparent.ts"
