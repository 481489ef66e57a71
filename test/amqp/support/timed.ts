import { Duration, Effect, Schedule } from "effect"

/** Waits until something holds. Dies, with what was waited for, when it takes too long. */
export const until = <E, R>(
  what: string,
  holds: Effect.Effect<boolean, E, R>,
  atMost: Duration.Input = "10 seconds"
): Effect.Effect<void, E, R> =>
  holds.pipe(
    Effect.repeat({ until: (yes) => yes, schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutOrElse({
      duration: atMost,
      orElse: () => Effect.die(new Error(`Not within ${Duration.format(Duration.fromInputUnsafe(atMost))}: ${what}`))
    }),
    Effect.asVoid
  )

/** The result of an effect, and the milliseconds that it took. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, number], E, R> =>
  Effect.map(Effect.timed(effect), ([took, result]) => [result, Duration.toMillis(took)] as const)
