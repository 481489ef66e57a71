import { Duration, Effect, Schedule } from "effect"

/** A promise of the lab or of the bus that was not kept. Its message is what the row says. */
export class Breach extends Error {
  override readonly name = "Breach"
}

export const breach = (message: string): Effect.Effect<never, Breach> => Effect.fail(new Breach(message))

/** Breaks off, with what was waited for and how it was in the end, when an effect takes too long. */
export const within =
  (what: string, atMost: Duration.Input, state: () => string = () => "") =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Breach, R> =>
    Effect.timeoutOrElse(effect, {
      duration: atMost,
      orElse: () => {
        const last = state()
        const limit = Duration.format(Duration.fromInputUnsafe(atMost))
        return breach(`not within ${limit}: ${what}${last === "" ? "" : ` (${last})`}`)
      }
    })

/** Asks again until the answer is yes. */
export const until = <E, R>(
  what: string,
  holds: Effect.Effect<boolean, E, R>,
  options: { readonly atMost: Duration.Input; readonly every?: Duration.Input; readonly state?: () => string }
): Effect.Effect<void, E | Breach, R> =>
  holds.pipe(
    Effect.repeat({ until: (yes) => yes, schedule: Schedule.spaced(options.every ?? "25 millis") }),
    within(what, options.atMost, options.state),
    Effect.asVoid
  )
