/**
 * The event bus: publish events, and subscribe to them.
 *
 * With `layerMemory`, everything stays in this process. With `layer` and a broker, the
 * same program runs on that broker.
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
import * as Requests from "./request/Requester.ts"
import type { Requester } from "./request/Requester.ts"
import type { Settleable } from "./subscribe/DecodedDelivery.ts"
import * as DeliveryObserver from "./subscribe/DeliveryObserver.ts"
import type { Handler } from "./subscribe/Handler.ts"
import { StalledSettlements } from "./subscribe/internal/StalledSettlements.ts"
import * as Subscriber from "./subscribe/Subscriber.ts"
import type { Subscription } from "./subscribe/Subscription.ts"
import * as SubscriptionState from "./subscribe/SubscriptionState.ts"
import type { PauseOptions } from "./subscribe/SubscriptionState.ts"

export type { PublishOptions } from "./publish/Publisher.ts"

/**
 * A running subscription.
 *
 * @category models
 * @since 0.1.0
 */
export interface Running {
  /** The name of the queue. */
  readonly queue: string
  /** Returns the state of the queue, if it exists. */
  readonly info: Effect.Effect<Option.Option<Broker.QueueInfo>, BrokerError>
  /** The state of the subscription in this process. */
  readonly state: Effect.Effect<SubscriptionState.SubscriptionState>
  /** Streams the current state and the changes. A slow reader misses states in between. */
  readonly changes: Stream.Stream<SubscriptionState.SubscriptionState>
  /**
   * Stops taking events, in this process. When it returns, no more handlers start. Those
   * that run go on, and events that wait for a handler here go back to the queue
   * unchanged. Throws a `RangeError` when `for` is not more than 0.
   *
   * An at-most-once subscription first handles the events that it holds. A temporary one
   * loses its queue while it is paused, and so the events of that time.
   */
  readonly pause: (options?: PauseOptions) => Effect.Effect<void>
  /** Takes events again after a pause, whatever its reason. */
  readonly resume: Effect.Effect<void>
  /** Stops taking events, and waits for the running handlers up to the drain timeout. */
  readonly stop: Effect.Effect<void>
}

/**
 * The bus, which publishes events and delivers them to subscriptions.
 *
 * @category services
 * @since 0.1.0
 */
export class EventBus extends Context.Service<
  EventBus,
  {
    /**
     * Publishes an event. Succeeds when the broker has stored it safely in every queue
     * that is bound for it. The error says whether the event may have landed: it may
     * after a `Timeout`, and some of its queues may have it after a `Nacked`.
     *
     * With `delay` or `deliverAt`, it succeeds when the broker has stored the event until
     * then. Throws a `RangeError` for a routing key of more than 255 bytes, a delay below
     * 0 or over 49 days, and a delay together with `unroutable: "fail"`.
     */
    readonly publish: (event: Event.Event, options?: PublishOptions) => Effect.Effect<void, PublishError.PublishError>
    /**
     * Publishes many events concurrently. Fails with the first failure. Other events may
     * have been published by then.
     */
    readonly publishAll: (
      events: Iterable<Event.Event>,
      options?: PublishOptions
    ) => Effect.Effect<void, PublishError.PublishError>
    /**
     * Declares the queue of a subscription without handling its events: they wait for
     * the handler. Subscribing declares the queue too, so you need this only to publish
     * before the handler starts. Throws a `RangeError` for a temporary subscription.
     */
    readonly declare: <Ev extends Event.Event>(subscription: Subscription<Ev>) => Effect.Effect<void, SubscribeError>
    /**
     * Handles events in the background until the scope closes or you stop it. Returns
     * when the queue is bound and being consumed.
     */
    readonly subscribe: <Ev extends Event.Event, E, R>(
      handler: Handler<Ev, E, R>
    ) => Effect.Effect<Running, SubscribeError, R | Scope.Scope>
    /** Handles events until interrupted. */
    readonly run: <Ev extends Event.Event, E, R>(
      handler: Handler<Ev, E, R>
    ) => Effect.Effect<never, SubscribeError, Exclude<R, Scope.Scope>>
    /** Returns the running subscriptions of this bus. */
    readonly subscriptions: Effect.Effect<ReadonlyArray<Running>>
    /**
     * Streams the deliveries of a subscription, which you settle yourself. It subscribes
     * when it is opened: after `Stream.toPull` it gets what is published from then on.
     * Throws a `RangeError` for an ordered subscription.
     */
    readonly stream: <Ev extends Event.Event>(
      subscription: Subscription<Ev>
    ) => Stream.Stream<Settleable<Ev>, SubscribeError>
    /** Returns the state of a queue, if it exists. */
    readonly queueInfo: (queue: string) => Effect.Effect<Option.Option<Broker.QueueInfo>, BrokerError>
    /** Deletes the events that wait in a queue, and returns their number. */
    readonly purge: (queue: string) => Effect.Effect<number, BrokerError>
    /**
     * Returns the dead letters of a queue, to look at, replay and delete. Throws a
     * `RangeError` for an invalid name or option.
     */
    readonly deadLetters: (queue: string, options?: DeadLetters.Options) => DeadLetters.DeadLetters
    /**
     * Publishes an event as a request, and returns the reply of its responder. `Request.call`
     * is this with types. Throws a `RangeError` for a timeout that is not from 1 to 2³¹ − 1
     * milliseconds.
     */
    readonly request: Requester["request"]
    /**
     * Publishes an event, and returns the first event of the given types that names it as
     * its parent. Any handler may publish that: all that its effect publishes names the
     * handled event as its parent. Throws a `RangeError` for a timeout that is not from 1 to
     * 2³¹ − 1 milliseconds.
     */
    readonly ask: Requester["ask"]
    /** The health of the bus. It never fails, and contains no secrets. */
    readonly health: Effect.Effect<Broker.Health>
  }
>()("effect-eventbus/EventBus") {}

/** Adds the stalled settlements to the health of a broker. */
const withStalled = (health: Broker.Health, stalled: StalledSettlements): Broker.Health => {
  if (stalled.size === 0) return health
  const reasons = Array.from(stalled.reasons, ([queue, why]) => `"${queue}": ${why}`)
  return {
    ...health,
    status: health.status === "healthy" ? "degraded" : health.status,
    details: { ...health.details, settlementsStalled: stalled.size, settling: reasons.join("; ").slice(0, 1000) }
  }
}

/** Adds the requests that wait for a reply to the health of a broker, and the queue that it comes to. */
const withRequests = (
  health: Broker.Health,
  { replyQueue, waiting }: ReturnType<Requests.Requester["status"]>
): Broker.Health => {
  if (replyQueue === undefined && waiting === 0) return health
  const details = { ...health.details, requestsWaiting: waiting }
  return { ...health, details: replyQueue === undefined ? details : { ...details, replyQueue } }
}

/** Adds the subscriptions that do not run to the health of a broker. They are no failure of it. */
const withPaused = (health: Broker.Health, all: ReadonlyArray<Running>): Effect.Effect<Broker.Health> =>
  Effect.map(
    Effect.forEach(all, ({ queue, state }) => Effect.map(state, (state) => ({ queue, state }))),
    (states) => {
      const held = states.filter(({ state }) => state._tag !== "Running")
      if (held.length === 0) return health
      const paused = held.map(({ queue, state }) => `"${queue}": ${SubscriptionState.describe(state)}`).join("; ")
      const details = { ...health.details, subscriptionsPaused: held.length, paused: paused.slice(0, 1000) }
      return { ...health, details }
    }
  )

/**
 * Creates a bus on the provided broker. Its requests end with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<EventBus["Service"], never, Broker.Broker | Scope.Scope> = Effect.gen(function* () {
  const broker = yield* Broker.Broker
  const publisher = yield* Publisher.make(broker)
  const { ask, request, status } = yield* Requests.make(broker, publisher)
  const stalled = StalledSettlements.of(broker)
  const observer = yield* DeliveryObserver.Current

  const active = new Set<Running>()

  const subscribe: EventBus["Service"]["subscribe"] = Effect.fnUntraced(function* (handler) {
    const { name } = handler.subscription
    // The subscription has a scope of its own, so that it can stop before the outer scope closes.
    const scope = yield* Scope.fork(yield* Effect.scope)
    const { changes, pause, resume, state } = yield* Effect.onError(
      Scope.provide(Subscriber.start(broker, handler, stalled, observer), scope),
      (cause) => Scope.close(scope, Exit.failCause(cause))
    )
    const stop = Scope.close(scope, Exit.void)
    const running = { queue: name, info: broker.queueInfo(name), state, changes, pause, resume, stop }
    active.add(running)
    yield* Scope.addFinalizer(
      scope,
      Effect.sync(() => active.delete(running))
    )
    return running
  })

  return EventBus.of({
    publish: (event, options) => publisher.publish(event, options),
    publishAll: publisher.publishAll,
    declare: (subscription) => {
      if (!subscription.temporary) return broker.declare(subscription)
      throw new RangeError(
        `The subscription "${subscription.name}" is temporary: its queue exists only while it is handled`
      )
    },
    subscribe,
    run: (handler) => Effect.scoped(Effect.andThen(subscribe(handler), Effect.never)),
    subscriptions: Effect.sync(() => [...active]),
    stream: (subscription) => {
      if (subscription.ordering === undefined) return Subscriber.stream(broker, subscription, stalled, observer)
      throw new RangeError(
        `The subscription "${subscription.name}" is ordered: a stream would settle its events in any order`
      )
    },
    queueInfo: broker.queueInfo,
    purge: broker.purge,
    deadLetters: (queue, options) => DeadLetters.make(broker, queue, options),
    request,
    ask,
    health: Effect.flatMap(broker.health, (health) =>
      withPaused(withRequests(withStalled(health, stalled), status()), [...active])
    )
  })
})

/**
 * A layer with the bus, on the broker that you provide.
 *
 * **Details**
 *
 * Every use is a bus of its own, on the broker that it is given: two brokers are two
 * buses, also in one application. A layer is built once, so give what belongs on one
 * bus the same layer.
 *
 * Where a program uses two buses at once, each has a service of its own, which `make`
 * makes.
 *
 * **Example** (Two buses in one application)
 *
 * ```ts
 * import { Console, Context, Effect, Layer } from "effect"
 * import { EventBus, EventType, Handler, MemoryBroker, Subscription } from "effect-eventbus"
 *
 * class Billing extends Context.Service<Billing, EventBus.EventBus["Service"]>()("app/Billing") {}
 *
 * const BusLive = EventBus.layer.pipe(Layer.provide(MemoryBroker.layer()))
 * const BillingLive = Layer.effect(Billing, EventBus.make).pipe(Layer.provide(MemoryBroker.layer()))
 *
 * const Ping = EventType.untyped("ping")
 * const handler = Handler.make(Subscription.make("pings", { events: [Ping] }), () => Console.log("billed"))
 *
 * // What needs an EventBus gets the other one.
 * const Handlers = EventBus.subscriber(handler).pipe(Layer.provide(Layer.effect(EventBus.EventBus, Billing)))
 *
 * const program = Effect.gen(function*() {
 *   const bus = yield* EventBus.EventBus
 *   const billing = yield* Billing
 *   yield* bus.publish(yield* Ping.event({}))
 *   yield* billing.publish(yield* Ping.event({}))
 * })
 *
 * const App = Handlers.pipe(Layer.provideMerge(Layer.merge(BusLive, BillingLive)))
 * await Effect.runPromise(Effect.provide(program, App))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
// Layers are built once each, whatever is provided to them: this one would stay with the first broker.
export const layer: Layer.Layer<EventBus, never, Broker.Broker> = Layer.fresh(Layer.effect(EventBus, make))

/**
 * A layer with a bus in this process's memory, for tests, demos, and single-process
 * deployments. Its events are lost when the process ends. Tests inspect its queues
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
 * Returns a layer that runs a handler, for applications that are layers. The handler
 * runs as long as the application.
 *
 * **Gotchas**
 *
 * Sibling layers start in no particular order. A layer that publishes when it starts may
 * do so before the queue of the handler exists. Call `bus.declare(subscription)` first.
 *
 * **Example** (Building an application from layers)
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
