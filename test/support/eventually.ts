import { Cause, Duration, Effect, Schedule } from "effect"

/** An expectation that did not hold, or not in time. The message names the expectation. */
export class Breach extends Error {
  override readonly name = "Breach"
}

/** Fails with a breach. */
export const breach = (message: string): Effect.Effect<never, Breach> => Effect.fail(new Breach(message))

/** Returns the message of the error in a cause. */
export const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

/** Fails with a breach when an effect takes too long. The breach names the expectation and the last known state. */
export const within =
  (expectation: string, atMost: Duration.Input, state: () => string = () => "") =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Breach, R> =>
    Effect.timeoutOrElse(effect, {
      duration: atMost,
      orElse: () => {
        const last = state()
        const limit = Duration.format(Duration.fromInputUnsafe(atMost))
        return breach(`not within ${limit}: ${expectation}${last === "" ? "" : ` (${last})`}`)
      }
    })

/** Repeats a check until it returns `true`, and fails with a breach when that takes too long. */
export const eventually = <E, R>(
  expectation: string,
  check: Effect.Effect<boolean, E, R>,
  {
    atMost = "90 seconds",
    every = "25 millis",
    state
  }: { readonly atMost?: Duration.Input; readonly every?: Duration.Input; readonly state?: () => string } = {}
): Effect.Effect<void, E | Breach, R> =>
  check.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced(every) }),
    within(expectation, atMost, state),
    Effect.asVoid
  )
