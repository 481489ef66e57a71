/**
 * `eventbus dlq peek` and `show`: show dead letters without changing them.
 *
 * @since 0.1.0
 */

import type { Scan } from "effect-eventbus/DeadLetters"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as DeadLetterView from "../../DeadLetterView.ts"
import { Output } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { UsageError } from "../../Problem.ts"
import * as deadLetterFlags from "./deadLetterFlags.ts"

/**
 * Formats how many dead letters a result comes from.
 *
 * @category formatting
 * @since 0.1.0
 */
export const summary = (result: string, { consumers, looked, waiting }: Scan): string => {
  const held = consumers === 0 ? "" : "; its consumers may hold more"
  return looked === waiting
    ? `${result}, ${waiting} waiting${held}`
    : `${result}, ${looked} of ${waiting} scanned${held}`
}

const peekFlags = {
  queue: deadLetterFlags.queue,
  newest: Flag.Boolean("newest").pipe(Flag.withDescription("Show the newest ones"), Flag.withDefault(false)),
  oldest: Flag.Boolean("oldest").pipe(Flag.withDescription("Show the oldest ones [default]"), Flag.withDefault(false)),
  count: Flag.withDefault(Parameters.count("The number of dead letters [10]"), 10),
  ...deadLetterFlags.filters,
  json: Parameters.json("Print each dead letter as a line of JSON")
}

const peek = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof peekFlags>) {
  if (input.newest && input.oldest) return yield* new UsageError({ message: "Use --newest or --oldest, not both" })
  const output = yield* Output
  yield* deadLetterFlags.withDeadLetters(
    input,
    Effect.fnUntraced(function* (deadLetters) {
      const order = input.newest ? "newest" : "oldest"
      const peeked = yield* deadLetters.peek({ ...deadLetterFlags.filterOf(input), order, limit: input.count })
      if (input.json) {
        return yield* Effect.forEach(peeked.letters, (deadLetter) => output.json(DeadLetterView.toJson(deadLetter)), {
          discard: true
        })
      }
      if (peeked.letters.length > 0) {
        yield* output.line(DeadLetterView.table(peeked.letters, yield* Clock.currentTimeMillis, output))
      }
      yield* output.note(summary(`${peeked.letters.length} shown`, peeked))
    })
  )
})

const showFlags = {
  queue: deadLetterFlags.queue,
  id: deadLetterFlags.id,
  json: Parameters.json("Print the result as exported, a line of JSON")
}

const show = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof showFlags>) {
  const output = yield* Output
  yield* deadLetterFlags.withDeadLetters(
    input,
    Effect.fnUntraced(function* (deadLetters) {
      const deadLetter = yield* deadLetterFlags.find(deadLetters, input.queue, input.id)
      yield* input.json
        ? output.json(DeadLetterView.toJson(deadLetter))
        : output.line(DeadLetterView.page(deadLetter, yield* Clock.currentTimeMillis, output))
    })
  )
})

/**
 * The commands that show dead letters.
 *
 * @category commands
 * @since 0.1.0
 */
export const commands = [
  Command.make("peek", peekFlags, peek).pipe(
    Command.withDescription("Show the oldest or the newest dead letters. They stay in their queue."),
    Command.withShortDescription("Show the oldest or newest dead letters"),
    Command.withExamples([
      { command: "eventbus dlq peek billing --newest --count 20" },
      { command: "eventbus dlq peek billing --reason CardDeclined --older-than 2h" }
    ])
  ),
  Command.make("show", showFlags, show).pipe(
    Command.withDescription("Show all details of a dead letter: headers, fault, body and stack"),
    Command.withShortDescription("Show all details of a dead letter"),
    Command.withExamples([{ command: "eventbus dlq show billing 3f2a9c01" }])
  )
] as const
