/**
 * `eventbus queue list` and `info`: show what waits in queues.
 *
 * @since 0.1.0
 */

import type { QueueStatus } from "@effect-eventbus/inspect/QueueReport"
import type { QueueInfo } from "effect-eventbus/Broker"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "../../Connection.ts"
import * as KnownQueues from "../../KnownQueues.ts"
import * as lazyImports from "../../lazyImports.ts"
import { Output, pad, type Paint, plain } from "../../Output.ts"
import * as Parameters from "../../Parameters.ts"
import { noQueue } from "../../Problem.ts"
import * as Watch from "../../Watch.ts"
import * as queueFlags from "./queueFlags.ts"

const infoFlags = { ...queueFlags.one, watch: Watch.flag }

type InfoInput = Command.Command.Config.Infer<typeof infoFlags>

const infoTable = (queues: ReadonlyArray<QueueInfo>): ReadonlyArray<string> => {
  const width = Math.max(5, ...queues.map(({ name }) => plain(name).length))
  const row = (name: string, messages: string, consumers: string) =>
    `${pad(name, width)}  ${messages.padStart(8)}  ${consumers.padStart(9)}`
  return [
    row("QUEUE", "MESSAGES", "CONSUMERS"),
    ...queues.map(({ consumers, messages, name }) => row(plain(name), String(messages), String(consumers)))
  ]
}

const showInfo = Effect.fnUntraced(function* ({ json, name }: InfoInput) {
  const output = yield* Output
  const { EventBus } = yield* lazyImports.eventbus
  const bus = yield* EventBus.EventBus
  const queue = yield* bus.queueInfo(name)
  if (Option.isNone(queue)) return yield* noQueue(name)
  const deadLetters = QueueSpec.isDeadLetterQueue(name)
    ? Option.none<QueueInfo>()
    : yield* bus.queueInfo(QueueSpec.deadLetterQueueOf(name))
  if (json) {
    const { consumers, messages } = queue.value
    const dead = Option.getOrNull(Option.map(deadLetters, ({ messages }) => messages))
    return yield* output.json({ queue: name, messages, consumers, dead_letters: dead })
  }
  const [header = "", ...rows] = infoTable([queue.value, ...Option.toArray(deadLetters)])
  yield* output.line([output.paint("dim", header), ...rows].join("\n"))
})

const runInfo = (input: InfoInput) => Effect.provide(Watch.run(input, showInfo(input)), Connection.layerAmqp)

const listFlags = {
  module: KnownQueues.module,
  json: Parameters.json("Print each queue as a line of JSON"),
  watch: Watch.flag
}

type ListInput = Command.Command.Config.Infer<typeof listFlags>

const listTable = (
  queues: ReadonlyArray<QueueStatus>,
  isBacklog: (queue: QueueStatus) => boolean,
  paint: Paint
): ReadonlyArray<string> => {
  const width = Math.max(5, ...queues.map(({ name }) => plain(name).length))
  const row = (name: string, ...counts: ReadonlyArray<number | string | undefined>) =>
    [pad(plain(name), width), ...counts.map((count = "-") => String(count).padStart(9))].join("  ")
  return [
    paint("dim", row("QUEUE", "MESSAGES", "CONSUMERS", "DEAD", "RETRIES")),
    ...queues.map((queue) => {
      const { consumers, deadLetters, messages, name, retries } = queue
      const line = row(name, messages, consumers, deadLetters, retries)
      return isBacklog(queue) ? `${line}  ${paint("yellow", "no consumer")}` : line
    })
  ]
}

const showList = Effect.fnUntraced(function* (queues: ReadonlyArray<QueueStatus>, json: boolean) {
  const output = yield* Output
  const {
    QueueReport: { isBacklog }
  } = yield* lazyImports.inspect
  if (json) {
    return yield* Effect.forEach(
      queues,
      (queue) => {
        const { consumers, deadLetters = null, messages, name, retries = null } = queue
        const counts = { messages, consumers, dead_letters: deadLetters, retries }
        return output.json({ queue: name, ...counts, backlog: isBacklog(queue) })
      },
      { discard: true }
    )
  }
  if (queues.length > 0) yield* output.line(listTable(queues, isBacklog, output.paint).join("\n"))
  const backlogs = queues.filter(isBacklog).length
  const count = queues.length === 1 ? "1 queue" : `${queues.length} queues`
  yield* output.note(backlogs === 0 ? count : `${count}, ${backlogs} with events and no consumer`)
})

const runList = Effect.fnUntraced(function* (input: ListInput) {
  const report = yield* KnownQueues.report(input.module)
  yield* Watch.run(
    input,
    Effect.flatMap(report, (queues) => showList(queues, input.json))
  )
}, Effect.scoped)

/**
 * The commands that show what waits in queues.
 *
 * @category commands
 * @since 0.1.0
 */
export const commands = [
  Command.make("list", listFlags, runList).pipe(
    Command.withDescription(
      "Show the queues of a module, or all queues by the management API: their events,\n" +
        "  consumers, dead letters, and events that wait for a retry. A queue with events\n" +
        "  and no consumer is marked."
    ),
    Command.withShortDescription("Show all queues, and mark those without consumers"),
    Command.withExamples([{ command: "eventbus queue list --module ./subscriptions.ts --watch" }])
  ),
  Command.make("info", infoFlags, runInfo).pipe(
    Command.withDescription("Show how many events, consumers and dead letters a queue has"),
    Command.withShortDescription("Show how many events, consumers and dead letters it has"),
    Command.withExamples([{ command: "eventbus queue info billing" }])
  )
] as const
