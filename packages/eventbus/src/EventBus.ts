/**
 * The event bus: publish events, subscribe to them.
 *
 * Provide `layerMemory` and everything stays in this process; provide `layer`
 * with a broker, and the same program runs on it.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Broker from "./broker/Broker.ts"
import type { BrokerError, SubscribeError } from "./broker/BrokerError.ts"
import type * as PublishError from "./broker/PublishError.ts"
import * as DeadLetters from "./deadletters/DeadLetters.ts"
import type * as Event from "./event/Event.ts"
import * as MemoryBroker from "./memory/MemoryBroker.ts"
import * as Publisher from "./publish/Publisher.ts"
import type { PublishOptions } from "./publish/Publisher.ts"
import type { Settleable } from "./subscribe/DecodedDelivery.ts"
import type { Handler } from "./subscribe/Handler.ts"
import { StalledSettlements } from "./subscribe/internal/StalledSettlements.ts"
import * as Subscriber from "./subscribe/Subscriber.ts"
import type { Subscription } from "./subscribe/Subscription.ts"

export type { PublishOptions } from "./publish/Publisher.ts"

/**
 * Publishes events, and delivers them to subscriptions.
 *
 * @category services
 * @since 0.1.0
 */
export class EventBus extends Context.Service<
  EventBus,
  {
    /**
     * Publishes an event, and succeeds when the broker has it safe in every queue
     * that wants it. The errors say whether it may have landed: after a `Timeout` it
     * may, and after a `Nacked` some of its queues may have it. A routing key of more
     * than 255 bytes is a `RangeError`.
     */
    readonly publish: (event: Event.Event, options?: PublishOptions) => Effect.Effect<void, PublishError.PublishError>
    /**
     * Publishes many events, in flight together. It fails with the first failure;
     * other events may have been published then.
     */
    readonly publishAll: (
      events: Iterable<Event.Event>,
      options?: PublishOptions
    ) => Effect.Effect<void, PublishError.PublishError>
    /** Handles events in the background for as long as the scope is open. The queue is bound and consumed when it returns. */
    readonly subscribe: <Ev extends Event.Event, E, R>(
      handler: Handler<Ev, E, R>
    ) => Effect.Effect<void, SubscribeError, R | Scope.Scope>
    /** Handles events until it is interrupted. */
    readonly run: <Ev extends Event.Event, E, R>(
      handler: Handler<Ev, E, R>
    ) => Effect.Effect<never, SubscribeError, Exclude<R, Scope.Scope>>
    /** The deliveries of a subscription, for those who settle them by hand. */
    readonly stream: <Ev extends Event.Event>(
      subscription: Subscription<Ev>
    ) => Stream.Stream<Settleable<Ev>, SubscribeError>
    /** What is known of a queue, if it exists. */
    readonly queueInfo: (queue: string) => Effect.Effect<Option.Option<Broker.QueueInfo>, BrokerError>
    /** Removes the events that wait in a queue, and says how many. */
    readonly purge: (queue: string) => Effect.Effect<number, BrokerError>
    /**
     * The dead letters of a queue. A name that no queue can have, and what no option can
     * mean, is a `RangeError`.
     */
    readonly deadLetters: (queue: string, options?: DeadLetters.Options) => DeadLetters.DeadLetters
    /** How the bus is. It never fails, and never holds a secret. */
    readonly health: Effect.Effect<Broker.Health>
  }
>()("effect-eventbus/EventBus") {}

/** Adds to a broker's health the settlements that it has refused so far. */
const withStalled = (health: Broker.Health, stalled: StalledSettlements): Broker.Health => {
  if (stalled.size === 0) return health
  const reasons = Array.from(stalled.reasons, ([queue, why]) => `"${queue}": ${why}`)
  return {
    ...health,
    status: health.status === "healthy" ? "degraded" : health.status,
    details: { ...health.details, settlementsStalled: stalled.size, settling: reasons.join("; ").slice(0, 1000) }
  }
}

/**
 * Makes a bus on a broker.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<EventBus["Service"], never, Broker.Broker> = Effect.gen(function* () {
  const broker = yield* Broker.Broker
  const { publish, publishAll } = yield* Publisher.make(broker)
  const stalled = new StalledSettlements()
  const subscribe: EventBus["Service"]["subscribe"] = (handler) => Subscriber.start(broker, handler, stalled)

  return EventBus.of({
    publish,
    publishAll,
    subscribe,
    run: (handler) => Effect.scoped(Effect.andThen(subscribe(handler), Effect.never)),
    stream: (subscription) => Subscriber.stream(broker, subscription, stalled),
    queueInfo: broker.queueInfo,
    purge: broker.purge,
    deadLetters: (queue, options) => DeadLetters.make(broker, queue, options),
    health: Effect.map(broker.health, (health) => withStalled(health, stalled))
  })
})

/**
 * The bus, on whichever broker is provided.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<EventBus, never, Broker.Broker> = Layer.effect(EventBus, make)

/**
 * The bus in this process's memory: for tests, demos, and deployments of one
 * process. It keeps nothing when the process ends. Tests look into its queues
 * through `MemoryBroker`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<EventBus | MemoryBroker.MemoryBroker> = Layer.provideMerge(
  layer,
  MemoryBroker.layer()
)

/**
 * A handler as a layer, for applications that are layers. It handles events for
 * as long as the application runs.
 *
 * **Example** (An application that is a layer)
 *
 * ```ts
 * import { Console, Layer } from "effect"
 * import { EventBus, Handler, Subscription } from "effect-eventbus"
 *
 * const Audit = EventBus.subscriber(
 *   Handler.make(Subscription.make("audit", { patterns: ["#"] }), (event) => Console.log(event.eventType))
 * )
 *
 * const App = Audit.pipe(Layer.provide(EventBus.layerMemory))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const subscriber = <Ev extends Event.Event, E, R>(
  handler: Handler<Ev, E, R>
): Layer.Layer<never, SubscribeError, EventBus | Exclude<R, Scope.Scope>> =>
  Layer.effectDiscard(Effect.flatMap(EventBus, (bus) => bus.subscribe(handler)))
