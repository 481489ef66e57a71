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

type Outcome = CircuitBreaker.Outcome["_tag"]

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

/** Ends what holds an admission: nothing, unless the call is a probe and other processes share the store. */
const ending = <A, E, R>(self: Effect.Effect<A, E, R>, scope: Scope.Closeable): Effect.Effect<A, E, R> =>
  scope.state._tag === "Empty" ? self : Effect.onExit(self, (exit) => Scope.close(scope, exit))

/** Answers a call that was not admitted, or makes it when that is because the store does not answer. */
const rejected = <A, E, R>(
  circuit: Circuit<A>,
  effect: Effect.Effect<A, E, R>,
  cause: Cause.Cause<CircuitBreaker.CircuitBreakerError>
): Effect.Effect<A, E, R> => {
  const error = Cause.findError(cause)
  if (Result.isFailure(error)) return Effect.failCause(error.failure)
  return error.success.reason._tag === "CircuitBreakerStoreError"
    ? Effect.andThen(report("The store of a circuit breaker does not answer", cause), effect)
    : Effect.succeed(circuit.onRejected(error.success))
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
  return Effect.matchCauseEffect(
    Effect.sync(() => circuit.isFailure(cause)),
    {
      onSuccess: (isCounted) =>
        isCounted ? recorded(record(circuit, store, admission, "Failure"), answered) : ignored(cause),
      onFailure: (defect) => ignored(Cause.combine(cause, defect))
    }
  )
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
    return Effect.matchCauseEffect(Scope.provide(store.admit(circuit.key), scope), {
      onSuccess: (admission) =>
        ending(
          Effect.matchCauseEffect(restore(effect), {
            onSuccess: (value) => {
              const outcome = circuit.isSuccess(value) ? "Success" : "Ignored"
              return recorded(record(circuit, store, admission, outcome), Effect.succeed(value))
            },
            onFailure: (cause) => failed(circuit, store, admission, cause, restore(Effect.suspend(() => answer(cause))))
          }),
          scope
        ),
      onFailure: (cause) => ending(rejected(circuit, restore(effect), cause), scope)
    })
  })
