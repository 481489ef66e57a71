import { Duration, Effect } from "effect"

/** Returns the result of an effect and the milliseconds it took. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, number], E, R> =>
  Effect.map(Effect.timed(effect), ([took, result]) => [result, Duration.toMillis(took)] as const)
