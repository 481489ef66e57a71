/**
 * The event bus: publish events, subscribe to them.
 *
 * Provide `layerMemory` and everything stays in this process; provide `layer`
 * with a broker, and the same program runs on it.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Broker from "./broker/Broker.ts"
import type { BrokerError, SubscribeError } from "./broker/BrokerError.ts"
import * as PublishError from "./broker/PublishError.ts"
import * as RoutingKey from "./broker/RoutingKey.ts"
import * as DeadLetters from "./deadletters/DeadLetters.ts"
import * as Correlation from "./event/Correlation.ts"
import * as Event from "./event/Event.ts"
import * as EventCodec from "./event/EventCodec.ts"
import * as MemoryBroker from "./memory/MemoryBroker.ts"
import * as Outcomes from "./publish/internal/publishMetrics.ts"
import type { Settleable } from "./subscribe/DecodedDelivery.ts"
import type { Handler } from "./subscribe/Handler.ts"
import * as Subscriber from "./subscribe/Subscriber.ts"
import type { Subscription } from "./subscribe/Subscription.ts"
import * as Spans from "./telemetry/internal/spans.ts"
import * as Metrics from "./telemetry/Metrics.ts"

/**
 * Options of `publish`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions {
  /** Default: `{eventType}.{priority}`. */
  readonly routingKey?: string | undefined
  /** Whether the event outlives a restart of the broker, where its queue does. Default: `true`. */
  readonly persistent?: boolean | undefined
  /**
   * What it means that no queue wanted the event. On a bus that is normal, so the
   * default, `ignore`, counts it and warns once for each routing key. `fail` makes
   * it an `Unroutable`.
   */
  readonly unroutable?: "ignore" | "fail" | undefined
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

/** How many routing keys are remembered as warned of. */
const maxWarned = 1000
/** How many events of `publishAll` are in flight at once. */
const maxInFlight = 1024

/**
 * Makes a bus on a broker.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<EventBus["Service"], never, Broker.Broker> = Effect.gen(function* () {
  const broker = yield* Broker.Broker
  const spanned = Spans.publishing(broker)
  const counted = Outcomes.counter(yield* Metrics.registry, yield* Clock.Clock)
  const warned = new Set<string>()

  const warnOnce = (routingKey: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (warned.has(routingKey) || warned.size === maxWarned) return Effect.void
      warned.add(routingKey)
      return Effect.logWarning(`No queue is bound for "${routingKey}": its events go nowhere`)
    })

  const send = (
    event: Event.Event,
    routingKey: string,
    persistent: boolean,
    traceparent: string | undefined
  ): Effect.Effect<void, PublishError.Reason> => {
    const encoded = EventCodec.toEnvelope(event, { routingKey, persistent, traceparent })
    if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
    const bytes = encoded.success.body.length
    return bytes > broker.maxBodyBytes
      ? Effect.fail(new PublishError.TooLarge({ bytes, limit: broker.maxBodyBytes }))
      : broker.publish(encoded.success)
  }

  /**
   * What a publish comes to that did not succeed. It holds nothing of the event: what waits for a confirm is what the
   * garbage collector moves.
   */
  const failing =
    (eventId: string, eventType: string, routingKey: string, unroutable: PublishOptions["unroutable"]) =>
    (reason: PublishError.Reason): Effect.Effect<void, PublishError.PublishError> =>
      reason._tag === "Unroutable" && unroutable !== "fail"
        ? warnOnce(routingKey)
        : Effect.fail(new PublishError.PublishError({ eventId, eventType, reason }))

  const publish = (
    event: Event.Event,
    { persistent = true, routingKey: asked, unroutable }: PublishOptions = {}
  ): Effect.Effect<void, PublishError.PublishError> => {
    const routingKey = RoutingKey.check(asked ?? RoutingKey.make(event.eventType, event.priority))
    return Effect.withFiber((fiber) => {
      const correlated = Event.correlate(event, fiber.getRef(Correlation.Current))
      return spanned(fiber, correlated, routingKey, (traceparent) =>
        Effect.catch(
          counted(send(correlated, routingKey, persistent, traceparent)),
          failing(event.eventId, event.eventType, routingKey, unroutable)
        )
      )
    })
  }

  const subscribe: EventBus["Service"]["subscribe"] = (handler) => Subscriber.start(broker, handler)

  return EventBus.of({
    publish,
    publishAll: (events, options) =>
      Effect.suspend(() => {
        const publishes = Array.from(events, (event) => publish(event, options))
        let next = 0
        const lane = Effect.whileLoop({
          while: () => next < publishes.length,
          body: () => publishes[next++] ?? Effect.void,
          step: () => {}
        })
        // A bounded concurrency of Effect 4.1 ends in the end of the stack when hundreds are interrupted by one failure.
        const lanes = Math.min(publishes.length, maxInFlight)
        return Effect.replicateEffect(lane, lanes, { concurrency: "unbounded", discard: true })
      }),
    subscribe,
    run: (handler) => Effect.scoped(Effect.andThen(subscribe(handler), Effect.never)),
    stream: (subscription) => Subscriber.stream(broker, subscription),
    queueInfo: broker.queueInfo,
    purge: broker.purge,
    deadLetters: (queue, options) => DeadLetters.make(broker, queue, options),
    health: broker.health
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
