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
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Scope from "effect/Scope"
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
 * A subscription that is being handled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Running {
  /** The name of the queue. */
  readonly queue: string
  /** What is known of the queue, if it exists. */
  readonly info: Effect.Effect<Option.Option<Broker.QueueInfo>, BrokerError>
  /** Stops taking events, and waits for the handlers that are running, up to the drain timeout. */
  readonly stop: Effect.Effect<void>
}

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
    /**
     * Declares the queue of a subscription, and handles nothing yet: what is published
     * from now on waits for its handler. Subscribing declares the queue, too, so you need
     * this only to publish before the handler starts. For a temporary subscription it is a
     * `RangeError`.
     */
    readonly declare: <Ev extends Event.Event>(subscription: Subscription<Ev>) => Effect.Effect<void, SubscribeError>
    /**
     * Handles events in the background for as long as the scope is open, or until it is
     * stopped. The queue is bound and being consumed when it returns.
     */
    readonly subscribe: <Ev extends Event.Event, E, R>(
      handler: Handler<Ev, E, R>
    ) => Effect.Effect<Running, SubscribeError, R | Scope.Scope>
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

  const subscribe: EventBus["Service"]["subscribe"] = Effect.fnUntraced(function* (handler) {
    const { name } = handler.subscription
    // In a scope of its own, which ends with the outer one or before.
    const scope = yield* Scope.fork(yield* Effect.scope)
    yield* Effect.onError(Scope.provide(Subscriber.start(broker, handler, stalled), scope), (cause) =>
      Scope.close(scope, Exit.failCause(cause))
    )
    return { queue: name, info: broker.queueInfo(name), stop: Scope.close(scope, Exit.void) }
  })

  return EventBus.of({
    publish,
    publishAll,
    declare: (subscription) => {
      if (!subscription.temporary) return broker.declare(subscription)
      throw new RangeError(
        `The subscription "${subscription.name}" is temporary: its queue is there while it is handled`
      )
    },
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
 * Provides a handler as a layer, for applications that are layers. It handles events
 * for as long as the application runs.
 *
 * **Gotchas**
 *
 * Layers side by side start in no order. One that publishes at its start may do so
 * before the queue of the handler is there: call `bus.declare(subscription)` first.
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
