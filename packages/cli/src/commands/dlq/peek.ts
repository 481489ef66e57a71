/**
 * `eventbus dlq peek`, `groups` and `show`: look at dead letters, and change nothing.
 *
 * @since 0.1.0
 */

import type { Scan } from "effect-eventbus/DeadLetters"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Letter from "../../Letter.ts"
import { Output } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { UsageError } from "../../Problem.ts"
import * as Which from "./Which.ts"

const extent = (what: string, { looked, waiting }: Scan): string =>
  looked === waiting ? `${what}, ${waiting} waiting` : `${what}, ${looked} looked at of ${waiting} waiting`

const peekFlags = {
  queue: Which.queue,
  newest: Flag.Boolean("newest").pipe(Flag.withDescription("The newest ones"), Flag.withDefault(false)),
  oldest: Flag.Boolean("oldest").pipe(Flag.withDescription("The oldest ones [so it is]"), Flag.withDefault(false)),
  count: Flag.withDefault(Parameters.count("How many [10]"), 10),
  ...Which.filters,
  json: Parameters.json("Each letter as a line of JSON")
}

const peek = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof peekFlags>) {
  if (input.newest && input.oldest) return yield* new UsageError({ message: "It is --newest or --oldest, not both" })
  const output = yield* Output
  yield* Which.withLetters(
    input,
    Effect.fnUntraced(function* (letters) {
      const order = input.newest ? "newest" : "oldest"
      const peeked = yield* letters.peek({ ...Which.selectionOf(input), order, limit: input.count })
      if (input.json) {
        return yield* Effect.forEach(peeked.letters, (letter) => output.json(Letter.toJson(letter)), { discard: true })
      }
      if (peeked.letters.length > 0) {
        yield* output.line(Letter.table(peeked.letters, yield* Clock.currentTimeMillis, output))
      }
      yield* output.note(extent(`${peeked.letters.length} shown`, peeked))
    })
  )
})

const groupsFlags = {
  queue: Which.queue,
  ...Which.filters,
  json: Parameters.json("Each group as a line of JSON")
}

const groups = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof groupsFlags>) {
  const output = yield* Output
  yield* Which.withLetters(
    input,
    Effect.fnUntraced(function* (letters) {
      const seen = yield* letters.groups(Which.selectionOf(input))
      if (input.json) {
        return yield* Effect.forEach(seen.groups, (group) => output.json(Letter.groupToJson(group)), { discard: true })
      }
      if (seen.groups.length > 0) {
        yield* output.line(Letter.groupTable(seen.groups, yield* Clock.currentTimeMillis, output))
      }
      yield* output.note(extent(seen.groups.length === 1 ? "1 group" : `${seen.groups.length} groups`, seen))
    })
  )
})

const showFlags = {
  queue: Which.queue,
  id: Which.id,
  json: Parameters.json("As a line of JSON, as it is exported")
}

const show = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof showFlags>) {
  const output = yield* Output
  yield* Which.withLetters(
    input,
    Effect.fnUntraced(function* (letters) {
      const letter = yield* Which.find(letters, input.queue, input.id)
      yield* input.json
        ? output.json(Letter.toJson(letter))
        : output.line(Letter.page(letter, yield* Clock.currentTimeMillis, output))
    })
  )
})

/**
 * The commands that look.
 *
 * @category commands
 * @since 0.1.0
 */
export const commands = [
  Command.make("peek", peekFlags, peek).pipe(
    Command.withDescription("Show letters, the oldest or the newest. All stay where they are"),
    Command.withShortDescription("Show the oldest or newest letters"),
    Command.withExamples([
      { command: "eventbus dlq peek billing --newest --count 20" },
      { command: "eventbus dlq peek billing --reason CardDeclined --older-than 2h" }
    ])
  ),
  Command.make("groups", groupsFlags, groups).pipe(
    Command.withDescription(
      "Show what went wrong: letters that failed in the same way at the same place\n" +
        "  are a group, named by a fingerprint. All stay where they are."
    ),
    Command.withShortDescription("Show what went wrong, and how often"),
    Command.withExamples([{ command: "eventbus dlq groups billing" }])
  ),
  Command.make("show", showFlags, show).pipe(
    Command.withDescription("Show all there is to know of a letter: headers, fault, body, stack"),
    Command.withShortDescription("Show all there is to know of a letter"),
    Command.withExamples([{ command: "eventbus dlq show billing 3f2a9c01" }])
  )
] as const
