/**
 * Handlers of many events at once.
 *
 * A batch shares the cost of one call among its events: one insert of a hundred rows is
 * many times faster than a hundred inserts. Each event keeps its own delivery, attempts
 * and settlement.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Tracer from "effect/Tracer"
import * as Correlation from "../event/Correlation.ts"
import { type Event, toCorrelation } from "../event/Event.ts"
import { isTraced } from "../telemetry/internal/spans.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import type { DecodedDelivery } from "./DecodedDelivery.ts"
import type { Handle, Handler } from "./Handler.ts"
import { Draining } from "./internal/draining.ts"
import { Gathering } from "./internal/Gathering.ts"
import { Pipeline } from "./internal/Pipeline.ts"
import { WholeFailures } from "./internal/WholeFailures.ts"
import * as Settlement from "./Settlement.ts"
import type { Subscription } from "./Subscription.ts"

/**
 * The value that the effect of a batch succeeds with: nothing when all events are done, or a result
 * for each event, in their order.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = ReadonlyArray<Result.Result<unknown, unknown>> | void

/**
 * The errors with which the effect of a batch may fail, or any of its results.
 *
 * @category models
 * @since 0.1.0
 */
export type ErrorOf<Eff extends Effect.Effect<unknown, unknown, unknown>> =
  | Effect.Error<Eff>
  | (Effect.Success<Eff> extends infer A
      ? A extends ReadonlyArray<Result.Result<unknown, infer E>>
        ? E
        : never
      : never)

/**
 * Options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in Ev extends Event = Event> {
  /** The number of events in a full batch. */
  readonly size: number
  /** The longest time that the first event of a batch waits for others. */
  readonly within: Duration.Input
  /** Returns the group of an event. A batch has events of one group. Default: all are of one group. */
  readonly by?: ((event: Ev) => string) | undefined
}

/** A delivery that waits for its batch. */
interface Member<Ev extends Event, E> {
  readonly delivery: DecodedDelivery<Ev>
  /** The time at which it began to wait, in nanoseconds. */
  readonly since: bigint
  readonly span: Tracer.AnySpan | undefined
  readonly resume: (outcome: Effect.Effect<Settlement.Settlement, E>) => void
}

const maxPrefetch = 65535

/** Checks the options, and returns a subscription that hands out enough events for them. */
const fit = <Ev extends Event>(subscription: Subscription<Ev>, size: number, within: Duration.Duration) => {
  const { concurrency = Math.min(size, subscription.prefetch ?? size), name, prefetch } = subscription
  const batch = `The batch of "${name}"`
  if (!Number.isInteger(size) || size < 1 || size > maxPrefetch) {
    throw new RangeError(`${batch} must have a size that is a whole number from 1 to ${maxPrefetch}, not ${size}`)
  }
  if (!Duration.isFinite(within) || Duration.toMillis(within) <= 0) {
    throw new RangeError(`${batch} must wait for a time above 0, and not forever`)
  }
  if (concurrency < size) {
    const what = subscription.concurrency === undefined ? "prefetch" : "concurrency"
    throw new RangeError(
      `${batch} has a size of ${size}, but the ${what} of its subscription is ${concurrency}, so it would never be full: give a ${what} of ${size} or more`
    )
  }
  // The next batch is already here while one is handled.
  const ahead = subscription.concurrency === undefined ? Math.min(2 * size, maxPrefetch) : concurrency
  return { ...subscription, concurrency, prefetch: prefetch ?? ahead }
}

/** Returns what the events of a batch have in common. Only one event can be the parent of others. */
const correlationOf = (events: ReadonlyArray<Event>): Correlation.Correlation => {
  const [first = Correlation.none, ...others] = events.map(toCorrelation)
  const shared = (link: keyof Correlation.Correlation) =>
    others.every((other) => other[link] === first[link]) ? first[link] : undefined
  return {
    traceId: shared("traceId"),
    executionId: shared("executionId"),
    parentEventId: shared("parentEventId")
  }
}

/** Runs an effect in a span that is linked to those of the members. It belongs to none of their traces. */
const inSpan = <A, E, R>(
  { name, temporary }: Subscription<Event>,
  members: ReadonlyArray<{ readonly span: Tracer.AnySpan | undefined }>,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const spans = members.flatMap(({ span }) => (span === undefined ? [] : [span]))
    const sampled = spans.filter(({ sampled }) => sampled)
    const [unsampled] = spans
    if (!isTraced(fiber)) return self
    if (sampled.length === 0) {
      return unsampled === undefined ? self : Effect.provideService(self, Tracer.ParentSpan, unsampled)
    }
    return Effect.withSpan(self, temporary ? "batch" : `batch ${name}`, {
      root: true,
      links: sampled.map((span) => ({ span, attributes: {} })),
      attributes: { "messaging.operation.name": "batch", "messaging.batch.message_count": members.length },
      captureStackTrace: false
    })
  })

/**
 * Creates a handler from a function of many events.
 *
 * **When to use**
 *
 * Use it where a call for many events costs about as much as a call for one: an insert
 * into a database, a bulk request of a search index, an upload.
 *
 * **Details**
 *
 * A batch is handled when it has `size` events, when its first event has waited for
 * `within`, when no other event can join it, or when the subscription stops. Its events
 * are in the order in which they arrived.
 *
 * The effect succeeds with nothing when all events are done. Or it succeeds with a result
 * for each event, in their order: the events that succeeded are acknowledged, and the
 * failure policy answers each failure on its own, with the attempts of that event. When
 * the effect fails as a whole, each of its events has failed.
 *
 * An event that has failed before is handled alone, without waiting. So one event that
 * fails its whole batch uses up one attempt of the others, and then fails by itself. An
 * event whose failures use up no attempt, because the policy pauses, is handled alone after
 * its second batch that failed.
 *
 * A subscription without a `concurrency` handles one batch at a time, and has the next
 * one ready. With a concurrency of `n` × `size`, it handles `n` batches at once.
 *
 * With `by`, each group has a batch of its own. All of them share the concurrency.
 *
 * The batch has a span of its own, linked to the span of each event. Events that you
 * publish inherit the trace and the execution that all events of the batch have in
 * common, and have a parent only where the batch is of one event.
 *
 * Throws a `RangeError` for a `size` that is not a whole number from 1 to 65535, for a
 * `size` above the concurrency or the prefetch of the subscription, and for a `within`
 * that is not above 0, or endless.
 *
 * **Gotchas**
 *
 * Answer a failure of the whole with a retry or a pause: a policy that dead-letters it
 * at once does so for all events of the batch.
 *
 * The steps after it wrap each event, not the batch. A `Handler.timeout` includes the
 * time that the event waits for its batch, and the batch is interrupted only when all of
 * its events are. To limit the call alone, use `Effect.timeout` inside. A transaction
 * must be inside, too.
 *
 * An array of another length than that of the events fails all of them with a defect.
 *
 * **Example** (Writing many rows at once)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Deferred, Effect, Schema } from "effect"
 * import { Batch, EventBus, EventType, Subscription } from "effect-eventbus"
 *
 * const Measured = EventType.make("measured", { payload: Schema.Struct({ celsius: Schema.Finite }) })
 *
 * const program = Effect.gen(function* () {
 *   const bus = yield* EventBus.EventBus
 *   const written = yield* Deferred.make<ReadonlyArray<number>>()
 *   const readings = Subscription.make("readings", { events: [Measured] })
 *   yield* bus.subscribe(
 *     Batch.make(readings, { size: 3, within: "1 second" }, (events) =>
 *       Effect.asVoid(Deferred.succeed(written, events.map(({ payload }) => payload.celsius)))
 *     )
 *   )
 *   for (const celsius of [19, 20, 21]) yield* bus.publish(yield* Measured.event({ celsius }))
 *   assert.deepStrictEqual(yield* Deferred.await(written), [19, 20, 21])
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(EventBus.layerMemory)))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Ev extends Event, Eff extends Effect.Effect<Outcome, unknown, unknown>>(
  subscription: Subscription<Ev>,
  options: Options<Ev>,
  f: (events: ReadonlyArray<Ev>, deliveries: ReadonlyArray<DecodedDelivery<Ev>>) => Eff
): Handler<Ev, ErrorOf<Eff>, Effect.Services<Eff>> => {
  type E = ErrorOf<Eff>
  type R = Effect.Services<Eff>
  type Results = ReadonlyArray<Result.Result<unknown, E>>
  const { by, size } = options
  const within = Duration.fromInputUnsafe(options.within)
  const fitting = fit(subscription, size, within)

  const attempt = (deliveries: ReadonlyArray<DecodedDelivery<Ev>>): Effect.Effect<Results, E, R> => {
    const events = deliveries.map(({ event }) => event)
    // As in `Handler.make`: the compiler cannot see through a type parameter.
    const run = Effect.suspend(() => f(events, deliveries)) as Effect.Effect<Results | undefined, E, R>
    return run.pipe(
      Effect.flatMap((results = events.map(() => Result.void)) =>
        results.length === events.length
          ? Effect.succeed(results)
          : Effect.die(
              new RangeError(
                `The batch of "${subscription.name}" returned ${results.length} results for ${events.length} events: return one for each, in their order, or nothing`
              )
            )
      ),
      Effect.provideService(Correlation.Current, correlationOf(events))
    )
  }

  const outcomeOf = (result: Result.Result<unknown, E> | undefined): Effect.Effect<Settlement.Settlement, E> =>
    result !== undefined && Result.isFailure(result) ? Effect.fail(result.failure) : Effect.succeed(Settlement.ack)

  const prepare: Handler<Ev, E, R>["prepare"] = Effect.fnUntraced(function* (scope) {
    const context = yield* Effect.context<R>()
    const draining = yield* Draining
    const fork = Effect.runForkWith(context)
    const { monotonicTimeNanosUnsafe: now } = yield* Clock.Clock
    const registry = yield* Metrics.registry
    const labels = Metrics.labelsOf(subscription)
    const batchEvents = Metrics.all.batchEvents.series(registry, labels)
    const batchWaitSeconds = Metrics.all.batchWaitSeconds.series(registry, labels)
    const failures = new WholeFailures(fitting.prefetch)

    /** Whether an event is handled alone: it may be what failed its batch, or it tells whether a pause is over. */
    const isAlone = ({ attempt, event, probe }: DecodedDelivery): boolean =>
      attempt > 1 || probe !== undefined || failures.suspects(event.eventId)

    const handleAlone = (delivery: DecodedDelivery<Ev>): Effect.Effect<Settlement.Settlement, E, R> => {
      batchEvents(1)
      return Effect.flatMap(attempt([delivery]), ([result]) => {
        failures.forget(delivery.event.eventId)
        return outcomeOf(result)
      })
    }

    const handleAll = (members: ReadonlyArray<Member<Ev, E>>): Effect.Effect<void, never, R> => {
      batchEvents(members.length)
      const [first] = members
      if (first !== undefined) batchWaitSeconds(Number(now() - first.since) / 1e9)
      return attempt(members.map(({ delivery }) => delivery)).pipe(
        (self) => inSpan(subscription, members, self),
        Effect.exit,
        Effect.map((exit) => {
          if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
            failures.add(members.map(({ delivery }) => delivery.event.eventId))
          }
          for (const [i, { resume }] of members.entries()) {
            resume(Exit.isSuccess(exit) ? outcomeOf(exit.value[i]) : Effect.failCause(exit.cause))
          }
        })
      )
    }

    const gathering = new Gathering<Member<Ev, E>>({ size, within, most: fitting.concurrency }, fork, (members) =>
      Effect.provideContext(handleAll(members), context)
    )
    yield* Effect.forkIn(
      Effect.andThen(
        draining.await,
        Effect.sync(() => gathering.drain())
      ),
      scope
    )

    const handle: Handle<Ev, E, R> = (delivery) =>
      isAlone(delivery)
        ? handleAlone(delivery)
        : Effect.withFiber((fiber) => {
            const key = by?.(delivery.event) ?? ""
            return Effect.callback<Settlement.Settlement, E>((resume) =>
              gathering.join(key, { delivery, since: now(), span: fiber.cache.span, resume })
            )
          })
    return handle
  })

  return new Pipeline<Ev, E, R>(fitting, [{ _tag: "Batch", size, within }], prepare)
}
