/**
 * `eventbus dlq groups`: shows the kinds of failures, of one queue or of all.
 *
 * @since 0.1.0
 */

import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
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
import * as Watch from "../../Watch.ts"
import * as deadLetterFlags from "./deadLetterFlags.ts"
import * as Peek from "./peek.ts"

const flags = {
  queue: Argument.optional(deadLetterFlags.queue),
  module: KnownQueues.module,
  ...deadLetterFlags.filters,
  json: Parameters.json("Print each group as a line of JSON"),
  watch: Watch.flag
}

type Input = Command.Command.Config.Infer<typeof flags>

const countOf = (groups: ReadonlyArray<unknown>) => (groups.length === 1 ? "1 group" : `${groups.length} groups`)

const show = Effect.fnUntraced(function* (groups: ReadonlyArray<DeadLetterView.QueueGroup>, json: boolean) {
  const output = yield* Output
  if (json) {
    yield* Effect.forEach(groups, (group) => output.json(DeadLetterView.groupToJson(group)), { discard: true })
  } else if (groups.length > 0) {
    yield* output.line(DeadLetterView.groupTable(groups, yield* Clock.currentTimeMillis, output))
  }
})

const ofOne = (queue: string, input: Input) =>
  deadLetterFlags.withDeadLetters({ queue, hold: input.hold }, (deadLetters) =>
    Watch.run(
      input,
      Effect.gen(function* () {
        const output = yield* Output
        const seen = yield* deadLetters.groups(deadLetterFlags.filterOf(input))
        yield* show(seen.groups, input.json)
        if (!input.json) yield* output.note(Peek.summary(countOf(seen.groups), seen))
      })
    )
  )

/** Shows the groups of several queues. A queue that cannot be read does not hide the others. */
const ofSeveral = Effect.fnUntraced(function* (queues: ReadonlyArray<string>, input: Input) {
  const output = yield* Output
  const { EventBus } = yield* lazyImports.eventbus
  const bus = yield* EventBus.EventBus
  const found: Array<DeadLetterView.QueueGroup> = []
  let unread = 0
  const read = (queue: string) =>
    bus
      .deadLetters(queue, { maxHeld: input.hold })
      .groups(deadLetterFlags.filterOf(input))
      .pipe(
        Effect.map(({ groups }) => found.push(...groups.map((group) => ({ ...group, queue })))),
        Effect.catch(({ message }) => {
          unread++
          return output.problem(`The dead letters of "${queue}" cannot be read: ${message}`)
        })
      )
  yield* Effect.forEach(queues, read, { discard: true })
  found.sort((a, b) => b.count - a.count)
  yield* show(found, input.json)
  if (!input.json) {
    const waiting = found.reduce((sum, { count }) => sum + count, 0)
    const places = queues.length === 1 ? "1 queue" : `${queues.length} queues`
    yield* output.note(`${countOf(found)} in ${places}, ${waiting} dead letters`)
  }
  if (unread > 0) return yield* new CommandFailed({ message: `${unread} of ${queues.length} queues cannot be read` })
})

const ofAll = Effect.fnUntraced(function* (input: Input) {
  const report = yield* KnownQueues.report(input.module)
  const look = Effect.flatMap(report, (queues) => ofSeveral(KnownQueues.withDeadLetters(queues), input))
  yield* Effect.provide(Watch.run(input, look), Connection.layerAmqp)
}, Effect.scoped)

const run = Effect.fnUntraced(function* (input: Input) {
  if (Option.isNone(input.queue)) return yield* ofAll(input)
  if (Option.isSome(input.module)) return yield* new UsageError({ message: "Use a queue or --module, not both" })
  yield* ofOne(input.queue.value, input)
})

/**
 * @category commands
 * @since 0.1.0
 */
export const groups = Command.make("groups", flags, run).pipe(
  Command.withDescription(
    "Show the kinds of failures of a queue, of the queues of a module, or of all\n" +
      "  queues. Dead letters that failed in the same way at the same place form a\n" +
      "  group with a fingerprint. They stay in their queue."
  ),
  Command.withShortDescription("Show the kinds of failures, with their counts"),
  Command.withExamples([
    { command: "eventbus dlq groups billing" },
    { command: "eventbus dlq groups --module ./subscriptions.ts --watch" }
  ])
)
