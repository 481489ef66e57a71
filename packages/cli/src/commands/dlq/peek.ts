/**
 * `eventbus dlq peek`, `groups` and `show`: show dead letters without changing them.
 *
 * @since 0.1.0
 */

import type { Scan } from "effect-eventbus/DeadLetters"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "../../Connection.ts"
import * as DeadLetterView from "../../DeadLetterView.ts"
import * as KnownQueues from "../../KnownQueues.ts"
import * as lazyImports from "../../lazyImports.ts"
import { Output } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { CommandFailed, UsageError } from "../../Problem.ts"
import * as deadLetterFlags from "./deadLetterFlags.ts"

const summary = (result: string, { looked, waiting }: Scan): string =>
  looked === waiting ? `${result}, ${waiting} waiting` : `${result}, ${looked} of ${waiting} scanned`

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

const groupsFlags = {
  queue: Argument.optional(deadLetterFlags.queue),
  module: KnownQueues.module,
  ...deadLetterFlags.filters,
  json: Parameters.json("Print each group as a line of JSON")
}

type GroupsInput = Command.Command.Config.Infer<typeof groupsFlags>

const countOf = (groups: ReadonlyArray<unknown>) => (groups.length === 1 ? "1 group" : `${groups.length} groups`)

const groupsOf = Effect.fnUntraced(function* (queue: string, input: GroupsInput) {
  const output = yield* Output
  yield* deadLetterFlags.withDeadLetters(
    { queue, hold: input.hold },
    Effect.fnUntraced(function* (deadLetters) {
      const seen = yield* deadLetters.groups(deadLetterFlags.filterOf(input))
      if (input.json) {
        return yield* Effect.forEach(seen.groups, (group) => output.json(DeadLetterView.groupToJson(group)), {
          discard: true
        })
      }
      if (seen.groups.length > 0) {
        yield* output.line(DeadLetterView.groupTable(seen.groups, yield* Clock.currentTimeMillis, output))
      }
      yield* output.note(summary(countOf(seen.groups), seen))
    })
  )
})

/** Shows the groups of all known queues. A queue that cannot be read does not hide the others. */
const allGroups = Effect.fnUntraced(function* (input: GroupsInput) {
  const output = yield* Output
  const queues = yield* KnownQueues.withDeadLetters(input.module)
  const { EventBus } = yield* lazyImports.eventbus
  const found: Array<DeadLetterView.QueueGroup> = []
  let unread = 0
  const read = (queue: string) =>
    EventBus.EventBus.use((bus) =>
      bus.deadLetters(queue, { maxHeld: input.hold }).groups(deadLetterFlags.filterOf(input))
    ).pipe(
      Effect.map(({ groups }) => found.push(...groups.map((group) => ({ ...group, queue })))),
      Effect.catch(({ message }) => {
        unread++
        return output.problem(`The dead letters of "${queue}" cannot be read: ${message}`)
      })
    )
  yield* Effect.provide(Effect.forEach(queues, read, { discard: true }), Connection.layerAmqp)
  found.sort((a, b) => b.count - a.count)
  if (input.json) {
    yield* Effect.forEach(found, (group) => output.json(DeadLetterView.groupToJson(group)), { discard: true })
  } else {
    if (found.length > 0) {
      yield* output.line(DeadLetterView.groupTable(found, yield* Clock.currentTimeMillis, output))
    }
    const waiting = found.reduce((sum, { count }) => sum + count, 0)
    yield* output.note(
      `${countOf(found)} in ${queues.length === 1 ? "1 queue" : `${queues.length} queues`}, ${waiting} dead letters`
    )
  }
  if (unread > 0) return yield* new CommandFailed({ message: `${unread} of ${queues.length} queues cannot be read` })
})

const groups = Effect.fnUntraced(function* (input: GroupsInput) {
  if (Option.isNone(input.queue)) return yield* allGroups(input)
  if (Option.isSome(input.module)) return yield* new UsageError({ message: "Use a queue or --module, not both" })
  yield* groupsOf(input.queue.value, input)
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
  Command.make("groups", groupsFlags, groups).pipe(
    Command.withDescription(
      "Show the kinds of failures of a queue, of the queues of a module, or of all\n" +
        "  queues. Dead letters that failed in the same way at the same place form a\n" +
        "  group with a fingerprint. They stay in their queue."
    ),
    Command.withShortDescription("Show the kinds of failures, with their counts"),
    Command.withExamples([
      { command: "eventbus dlq groups billing" },
      { command: "eventbus dlq groups --module ./subscriptions.ts" }
    ])
  ),
  Command.make("show", showFlags, show).pipe(
    Command.withDescription("Show all details of a dead letter: headers, fault, body and stack"),
    Command.withShortDescription("Show all details of a dead letter"),
    Command.withExamples([{ command: "eventbus dlq show billing 3f2a9c01" }])
  )
] as const
