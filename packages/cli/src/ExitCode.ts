/**
 * How the process ends: 0 when it did what it was asked, 2 when it was called in
 * a way it cannot be, 1 for every other failure, 130 when it was interrupted.
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"

/**
 * The end of the process, once everything has been said.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExitCode extends Data.TaggedError("ExitCode")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode]: number = this.code
}

const interrupted = 130

/**
 * Says what the exit code is when this effect is interrupted: for an effect that
 * has no other end.
 *
 * @category combinators
 * @since 0.1.0
 */
export const whenInterrupted =
  (code: number) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.onInterrupt(self, () =>
      Effect.sync(() => {
        process.exitCode = code
      })
    )

/**
 * Ends the process with the code of its exit.
 *
 * @category running
 * @since 0.1.0
 */
export const teardown: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => onExit(code === interrupted ? Number(process.exitCode ?? code) : code))
