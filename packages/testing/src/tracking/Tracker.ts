/**
 * A bus for the tests of applications, which tells what an effect has caused.
 *
 * `track` runs an effect and waits until everything that it caused is settled. It counts:
 * every copy of an event that went to a queue must be settled, and so must those that its
 * handlers publish. There is no time to guess and nothing to poll. Retries and delays run
 * by the test clock, in no time.
 *
 * @since 0.1.0
 */

import * as Broker from "effect-eventbus/Broker"
import * as Correlation from "effect-eventbus/Correlation"
import * as DeliveryObserver from "effect-eventbus/DeliveryObserver"
import * as EventBus from "effect-eventbus/EventBus"
import * as MemoryBroker from "effect-eventbus/MemoryBroker"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Activity } from "./internal/Activity.ts"
import { settle } from "./internal/settle.ts"
import { TestTime } from "./internal/TestTime.ts"
import { draw } from "./internal/timeline.ts"
import * as TrackedBroker from "./internal/TrackedBroker.ts"
import { Current, Tracking } from "./internal/Tracking.ts"
import * as TrackedSession from "./TrackedSession.ts"
import { Unsettled } from "./Unsettled.ts"

/**
 * Options of `track`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out E = never, out R = never> {
  /**
   * The time that may pass on the clock, for retries and delays. The test clock goes from
   * one to the next; another clock is waited for. What is due later stays in `waiting`.
   * Default: none.
   */
  readonly due?: Duration.Input | undefined
  /**
   * The real time after which the session fails with `Unsettled`, for what never ends.
   * Default: 4 seconds, and as long as `due` in addition if the clock is not a test clock.
   */
  readonly atMost?: Duration.Input | undefined
  /**
   * The number of events that wait elsewhere, such as in an outbox. It is asked for when
   * nothing goes on on the bus, and the session goes on until it is 0. Default: none.
   */
  readonly pending?: Effect.Effect<number, E, R> | undefined
}

/** In milliseconds: a second less than the time that vitest gives a test. */
const defaultAtMost = 4000

/**
 * A tracker of everything that happens on its bus.
 *
 * @category services
 * @since 0.1.0
 */
export class Tracker extends Context.Service<
  Tracker,
  {
    /** Runs an effect, and waits until everything that it caused is settled. */
    readonly track: <A, E, R, E2 = never, R2 = never>(
      effect: Effect.Effect<A, E, R>,
      options?: Options<E2, R2>
    ) => Effect.Effect<TrackedSession.TrackedSession<A>, E | E2 | Unsettled, R | R2 | Scope.Scope>
  }
>()("@effect-eventbus/testing/Tracker") {}

const span = (name: string, input: Duration.Input): number => {
  const millis = Duration.toMillis(Duration.fromInputUnsafe(input))
  if (millis >= 0) return millis
  throw new RangeError(`${name} must not be negative, but it is ${millis} ms`)
}

/** Prints to the console of the process: a test may have another one, which prints nothing. */
const print = (text: string): void => globalThis.console.error(text)

/** Returns the times of a session, in milliseconds. */
const check = ({ atMost, due = 0 }: Options<unknown, unknown> = {}) => ({
  due: span("due", due),
  atMost: atMost === undefined ? undefined : span("atMost", atMost)
})

const makeTracker = (tracking: Tracking, time: TestTime | undefined): Tracker["Service"] => ({
  track: <A, E, R, E2 = never, R2 = never>(effect: Effect.Effect<A, E, R>, options?: Options<E2, R2>) => {
    const { due, ...checked } = check(options)
    const pending: Effect.Effect<number, E2, R2> = options?.pending ?? Effect.succeed(0)
    const atMost = checked.atMost ?? defaultAtMost + (time === undefined ? due : 0)
    return Effect.gen(function* () {
      const correlation = yield* Correlation.Current
      const traceId = correlation.traceId ?? crypto.randomUUID()
      const activity = new Activity(traceId, correlation.parentEventId, tracking.now)
      let timeline: string | undefined
      // An error of the session shows it already.
      let isShown = false
      yield* Effect.addFinalizer((exit) => {
        if (!isShown && Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) print(timeline ?? "")
        return time === undefined ? Effect.void : Effect.forkDetach(time.unwind)
      })
      tracking.open(activity)
      return yield* settle(effect, { activity, tracking, time, due, atMost, pending }).pipe(
        Effect.map((value) => TrackedSession.make(activity, value, tracking.now)),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            isShown = Option.exists(Exit.findErrorOption(exit), (error) => error instanceof Unsettled)
            timeline = Exit.isSuccess(exit) ? exit.value.timeline : draw(activity, tracking.now)
            tracking.close(activity)
          })
        ),
        Effect.provideService(Correlation.Current, { ...correlation, traceId }),
        Effect.provideService(Current, activity)
      )
    })
  }
})

const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const time = TestTime.of(clock)
  const tracking = new Tracking(clock)
  const broker = TrackedBroker.make(yield* Broker.Broker, tracking)
  const bus = yield* EventBus.make.pipe(
    Effect.provideService(Broker.Broker, broker),
    Effect.provideService(DeliveryObserver.Current, tracking.observer)
  )
  return Context.make(EventBus.EventBus, bus).pipe(
    Context.add(Broker.Broker, broker),
    Context.add(Tracker, makeTracker(tracking, time)),
    // Handlers sleep on this one, so that it is known when they wake.
    Context.add(Clock.Clock, time?.clock ?? clock)
  )
})

/**
 * A layer with a bus and its tracker, on the broker that you provide.
 *
 * **Gotchas**
 *
 * The tracker sees the queues that this bus declares, and no others. What other processes
 * do is seen when their events come to one of these queues.
 *
 * **Example** (A tracked bus on RabbitMQ)
 *
 * ```ts no-run
 * import { AmqpBroker } from "@effect-eventbus/amqp"
 * import { Tracker } from "@effect-eventbus/testing"
 * import { Layer } from "effect"
 *
 * const TestBus = Tracker.layer.pipe(Layer.provide(AmqpBroker.layerConfig))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<EventBus.EventBus | Tracker | Broker.Broker, never, Broker.Broker> = Layer.fresh(
  Layer.effectContext(make)
)

/**
 * A layer with a bus in memory and its tracker. Use it in the place of
 * `EventBus.layerMemory`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<EventBus.EventBus | Tracker | Broker.Broker | MemoryBroker.MemoryBroker> =
  Layer.provideMerge(layer, MemoryBroker.layer())

/**
 * Runs an effect, and waits until everything that it caused is settled.
 *
 * **Details**
 *
 * An event belongs to the session that published it, or whose handler did. Sessions that
 * run side by side on one bus do not mix. What handlers do after they return, in fibers
 * that they left behind, is not waited for. Nor is an outbox, unless `pending` counts it.
 *
 * With a test clock, time stands still while something goes on. A handler that sleeps, or
 * that has a timeout, is given 20 ms of real time before the clock goes on. So a handler
 * that waits for something real and slow belongs in a test with the live clock.
 *
 * The session fails with `Unsettled` after `atMost`, or after 10,000 steps. When the test
 * fails later, the timeline is printed. Throws a `RangeError` for a negative time.
 *
 * **Example** (Retrying without waiting)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Tracker } from "@effect-eventbus/testing"
 * import { Effect, Layer, Schedule } from "effect"
 * import { EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
 * import { TestClock } from "effect/testing"
 *
 * const Ping = EventType.untyped("ping")
 * const flaky = Handler.make(Subscription.make("pings", { events: [Ping] }), (_, { attempt }) =>
 *   attempt === 1 ? Effect.fail("no") : Effect.void
 * ).pipe(Handler.onFailure(FailurePolicy.retry(Schedule.spaced("10 seconds"))))
 *
 * const test = Effect.gen(function*() {
 *   const bus = yield* EventBus.EventBus
 *   yield* bus.subscribe(flaky)
 *   const ping = yield* Ping.event({})
 *   const session = yield* Tracker.track(bus.publish(ping), { due: "1 minute" })
 *   assert.strictEqual(session.retried.length, 1)
 *   assert.strictEqual(session.of(Ping).handled[0]?.attempt, 2)
 * })
 *
 * const TestBus = Layer.provideMerge(Tracker.layerMemory, TestClock.layer())
 * await Effect.runPromise(test.pipe(Effect.scoped, Effect.provide(TestBus)))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const track = <A, E, R, E2 = never, R2 = never>(
  effect: Effect.Effect<A, E, R>,
  options?: Options<E2, R2>
): Effect.Effect<TrackedSession.TrackedSession<A>, E | E2 | Unsettled, R | R2 | Tracker | Scope.Scope> => {
  // Wrong options throw here and now, not when the effect runs.
  check(options)
  return Effect.flatMap(Tracker, (tracker) => tracker.track(effect, options))
}
