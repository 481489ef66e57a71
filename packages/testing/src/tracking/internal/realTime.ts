/**
 * Waits in real time, whatever the clock.
 *
 * @internal
 */

import * as Effect from "effect/Effect"

/** Waits for a time in milliseconds. */
export const sleep = (millis: number): Effect.Effect<void> =>
  millis === Infinity
    ? Effect.never
    : Effect.callback((resume) => {
        const timer = setTimeout(() => resume(Effect.void), millis)
        return Effect.sync(() => clearTimeout(timer))
      })

/** Lets everything run that waits only for its turn. */
export const nextTurn: Effect.Effect<void> = Effect.callback((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})
