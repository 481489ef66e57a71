/**
 * Calls through a circuit of Effect's `CircuitBreakerStore`.
 *
 * This is what `CircuitBreaker.execute` does, for handlers: it admits, calls and records in
 * a few steps of a fiber, because a handler does so for every event. The state and the
 * decision to open are the store's.
 *
 * @internal
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"

/** The time that a circuit stays open, or a schedule that gives one for each opening in a row. */
export type Open = Duration.Input | Schedule.Schedule<unknown, number>

/** A circuit, and which calls succeed or fail by it. */
export interface Circuit<A> {
  readonly key: string
  readonly trip: CircuitBreaker.TripPolicy
  /** Returns the time that it stays open after a number of openings in a row. */
  readonly openFor: (consecutiveOpenings: number) => Effect.Effect<Duration.Duration>
  readonly isSuccess: (value: A) => boolean
  readonly isFailure: (cause: Cause.Cause<unknown>) => boolean
  /** Returns the value of a call that it does not let through. */
  readonly onRejected: (error: CircuitBreaker.CircuitBreakerError) => A
}

/** Reports an error of the store, as `CircuitBreaker` does. The circuit is closed meanwhile. */
const report = (message: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.flatMap(References.UnhandledLogLevel, (level) =>
    level === undefined ? Effect.void : Effect.logWithLevel(level)(message, cause)
  )

/**
 * Returns the time that a circuit stays open after a number of openings in a row. A
 * schedule is asked as if the time passed, so that it measures the time spent open.
 */
export const openFor = (open: Open): Circuit<never>["openFor"] => {
  if (!Schedule.isSchedule(open)) {
    const duration = Effect.succeed(Duration.fromInputUnsafe(open))
    return () => duration
  }
  return Effect.fnUntraced(function* (consecutiveOpenings) {
    const step = yield* Schedule.toStep(open)
    let now = yield* Clock.currentTimeMillis
    let delay: Duration.Duration = Duration.zero
    for (let attempt = 1; attempt <= consecutiveOpenings; attempt++) {
      const next = yield* Effect.exit(step(now, attempt))
      if (Exit.isFailure(next)) break
      delay = next.value[1]
      now += Duration.toMillis(delay)
    }
    return delay
  })
}

/** Records the outcome of a call. */
const record = <A>(
  { key, openFor, trip }: Circuit<A>,
  store: CircuitBreaker.CircuitBreakerStore["Service"],
  { consecutiveOpenings, generation, probe }: CircuitBreaker.Admission,
  outcome: CircuitBreaker.Outcome["_tag"]
) => {
  // A success may open a circuit that goes by a rate, because it adds to the number of calls.
  if (outcome === "Ignored" || (outcome === "Success" && (probe || trip._tag === "Consecutive"))) {
    return store.record({ key, generation, outcome, tripPolicy: trip, openFor: Duration.zero })
  }
  return Effect.flatMap(openFor(consecutiveOpenings + 1), (time) =>
    store.record({ key, generation, outcome, tripPolicy: trip, openFor: time })
  )
}

/** Goes on after a record, whether or not the store has answered. */
const recorded = <A, E, R>(
  recording: ReturnType<typeof record>,
  next: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.matchEffect(recording, {
    onSuccess: () => next,
    onFailure: (error) =>
      Effect.andThen(report("A circuit breaker failed to record an outcome", Cause.fail(error)), next)
  })

/** Goes on after a failed call, which may be one that counts. */
const classified = <A, E, R>(
  circuit: Circuit<A>,
  cause: Cause.Cause<E>,
  whenCounted: Effect.Effect<A, E, R>,
  otherwise: (cause: Cause.Cause<E>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.matchCauseEffect(
    Effect.sync(() => circuit.isFailure(cause)),
    {
      onSuccess: (isCounted) => (isCounted ? whenCounted : otherwise(cause)),
      onFailure: (defect) => otherwise(Cause.combine(cause, defect))
    }
  )

/** Ends what holds an admission: nothing, unless the call is a probe and other processes share the store. */
const ending = <A, E, R>(self: Effect.Effect<A, E, R>, scope: Scope.Closeable): Effect.Effect<A, E, R> =>
  scope.state._tag === "Empty" ? self : Effect.onExit(self, (exit) => Scope.close(scope, exit))

/** Answers a call that was not admitted, or makes it when that is because the store does not answer. */
const rejected = <A, E, R>(
  circuit: Circuit<A>,
  effect: Effect.Effect<A, E, R>,
  cause: Cause.Cause<CircuitBreaker.CircuitBreakerError>,
  answer: (cause: Cause.Cause<E>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const error = Cause.findError(cause)
  if (Result.isFailure(error)) return Effect.failCause(error.failure)
  if (error.success.reason._tag !== "CircuitBreakerStoreError") return Effect.succeed(circuit.onRejected(error.success))
  const called = Effect.catchCause(effect, (cause) => classified(circuit, cause, answer(cause), Effect.failCause))
  return Effect.andThen(report("The store of a circuit breaker does not answer", cause), called)
}

/** Records a call that failed. An interruption and a defect of what classifies are no failures of the dependency. */
const failed = <A, E, R>(
  circuit: Circuit<A>,
  store: CircuitBreaker.CircuitBreakerStore["Service"],
  admission: CircuitBreaker.Admission,
  cause: Cause.Cause<E>,
  answered: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const ignored = (cause: Cause.Cause<E>) =>
    recorded(record(circuit, store, admission, "Ignored"), Effect.failCause(cause))
  if (Cause.hasInterruptsOnly(cause)) return ignored(cause)
  const counted = Effect.suspend(() => recorded(record(circuit, store, admission, "Failure"), answered))
  return classified(circuit, cause, counted, ignored)
}

/** Calls an effect through a circuit, records its outcome, and then answers a failure that counts. */
export const execute = <A, E, R>(
  circuit: Circuit<A>,
  store: CircuitBreaker.CircuitBreakerStore["Service"],
  effect: Effect.Effect<A, E, R>,
  answer: (cause: Cause.Cause<E>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    const scope = Scope.makeUnsafe()
    const answered = (cause: Cause.Cause<E>) => restore(Effect.suspend(() => answer(cause)))
    return Effect.matchCauseEffect(Scope.provide(store.admit(circuit.key), scope), {
      onSuccess: (admission) =>
        ending(
          Effect.matchCauseEffect(restore(effect), {
            onSuccess: (value) => {
              const outcome = circuit.isSuccess(value) ? "Success" : "Ignored"
              return recorded(record(circuit, store, admission, outcome), Effect.succeed(value))
            },
            onFailure: (cause) => failed(circuit, store, admission, cause, answered(cause))
          }),
          scope
        ),
      onFailure: (cause) => ending(rejected(circuit, restore(effect), cause, answered), scope)
    })
  })
