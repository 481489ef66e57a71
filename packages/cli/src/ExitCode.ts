/**
 * The exit code of the process: 0 for success, 2 for a usage error, 1 for any other
 * failure, 130 for an interruption.
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"

/**
 * A failure that has been reported already, and sets the exit code.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExitCode extends Data.TaggedError("ExitCode")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode]: number = this.code
}

const interrupted = 130

/**
 * Sets the exit code for an interruption of this effect. It is for effects that end
 * only by interruption.
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
 * Ends the process with its exit code.
 *
 * @category running
 * @since 0.1.0
 */
export const teardown: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => onExit(code === interrupted ? Number(process.exitCode ?? code) : code))
