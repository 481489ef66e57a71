/**
 * The question that a command asks before it deletes something.
 *
 * @since 0.1.0
 */

import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { Output } from "./Output.ts"
import { UsageError } from "./Problem.ts"

/**
 * The flag that answers the question.
 *
 * @category flags
 * @since 0.1.0
 */
export const yes: Flag.Flag<boolean> = Flag.Boolean("yes").pipe(
  Flag.withDescription("Do not ask for confirmation"),
  Flag.withDefault(false)
)

/**
 * Fails unless there is an answer: the flag, or a terminal to ask at.
 *
 * @category running
 * @since 0.1.0
 */
export const require = Effect.fnUntraced(function* (isGiven: boolean) {
  const stdio = yield* Stdio.Stdio
  const isAtTerminal = (yield* stdio.stdinIsTerminal) && (yield* stdio.stdoutIsTerminal)
  if (isGiven || isAtTerminal) return
  return yield* new UsageError({ message: "There is no terminal for a confirmation: use --yes" })
})

/**
 * Asks, and returns whether the answer is yes.
 *
 * @category running
 * @since 0.1.0
 */
export const ask = Effect.fnUntraced(function* (message: string) {
  const { remark } = yield* Output
  return yield* Prompt.run(Prompt.Confirm({ message })).pipe(
    Effect.catchTag("QuitError", () => Effect.andThen(remark("\n"), Effect.interrupt))
  )
})
