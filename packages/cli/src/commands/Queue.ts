/**
 * `eventbus queue`: lists, inspects, purges and deletes queues.
 *
 * @since 0.1.0
 */

import { isBacklog, type QueueStatus } from "@effect-eventbus/inspect/QueueReport"
import type { QueueInfo } from "effect-eventbus/Broker"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Confirmation from "../Confirmation.ts"
import * as Connection from "../Connection.ts"
import * as KnownQueues from "../KnownQueues.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output, pad, type Paint, plain } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed, noQueue } from "../Problem.ts"

const flags = {
  name: Argument.String("name").pipe(
    Argument.withDescription("The name of the queue"),
    Argument.filter(
      (name) => name !== "",
      () => "it is empty"
    )
  ),
  json: Parameters.json("Print the result as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const table = (queues: ReadonlyArray<QueueInfo>): ReadonlyArray<string> => {
  const width = Math.max(5, ...queues.map(({ name }) => plain(name).length))
  const row = (name: string, messages: string, consumers: string) =>
    `${pad(name, width)}  ${messages.padStart(8)}  ${consumers.padStart(9)}`
  return [
    row("QUEUE", "MESSAGES", "CONSUMERS"),
    ...queues.map(({ consumers, messages, name }) => row(plain(name), String(messages), String(consumers)))
  ]
}

const info = Effect.fnUntraced(function* ({ json, name }: Input) {
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
  const [header = "", ...rows] = table([queue.value, ...Option.toArray(deadLetters)])
  yield* output.line([output.paint("dim", header), ...rows].join("\n"))
}, Effect.provide(Connection.layerAmqp))

const purge = Effect.fnUntraced(function* ({ json, name }: Input) {
  const output = yield* Output
  const { EventBus } = yield* lazyImports.eventbus
  const bus = yield* EventBus.EventBus
  const purged = yield* Effect.catchIf(
    bus.purge(name),
    (error) => error.reason._tag === "NotFound",
    () => noQueue(name)
  )
  if (json) return yield* output.json({ queue: name, purged })
  const events = purged === 1 ? "1 event" : `${purged} events`
  yield* output.line(`${output.paint("green", "purged")}  ${plain(name)}  ${events} deleted`)
}, Effect.provide(Connection.layerAmqp))

const listFlags = { module: KnownQueues.module, json: Parameters.json("Print each queue as a line of JSON") }

const statusTable = (queues: ReadonlyArray<QueueStatus>, paint: Paint): ReadonlyArray<string> => {
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

const list = Effect.fnUntraced(function* ({ json, module }: Command.Command.Config.Infer<typeof listFlags>) {
  const output = yield* Output
  const queues = yield* KnownQueues.report(module)
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
  if (queues.length > 0) yield* output.line(statusTable(queues, output.paint).join("\n"))
  const backlogs = queues.filter(isBacklog).length
  const count = queues.length === 1 ? "1 queue" : `${queues.length} queues`
  yield* output.note(backlogs === 0 ? count : `${count}, ${backlogs} with events and no consumer`)
})

const deleteFlags = {
  ...flags,
  yes: Confirmation.yes,
  force: Flag.Boolean("force").pipe(
    Flag.withDescription("Delete it with its events, even while it has consumers"),
    Flag.withDefault(false)
  )
}

const counted = (count: number, noun: string) => (count === 1 ? `1 ${noun}` : `${count} ${noun}s`)

/** Quorum queues do not support RabbitMQ's own conditions for a deletion, so the queue is looked at just before. */
const remove = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof deleteFlags>) {
  const output = yield* Output
  const { name } = input
  yield* Confirmation.require(input.yes)
  const { AmqpQueue } = yield* lazyImports.amqp
  const { BrokerConnection } = yield* lazyImports.inspect
  const settings = yield* Connection.settings()
  const live = yield* BrokerConnection.open(settings, "consume")
  const infoOf = (queue: string) => BrokerConnection.asBrokerError(AmqpQueue.info(live, settings, queue))
  const found = yield* infoOf(name)
  if (Option.isNone(found)) return yield* noQueue(name)
  const { consumers, messages } = found.value
  const content = `${counted(messages, "event")} and ${counted(consumers, "consumer")}`
  if (!input.force && (messages > 0 || consumers > 0)) {
    return yield* new CommandFailed({ message: `"${name}" has ${content}: to delete it anyway, use --force` })
  }
  const question = `Permanently delete the queue "${plain(name)}" with ${content}?`
  if (!input.yes && !(yield* Confirmation.ask(question))) return yield* output.note("Nothing was deleted")
  const deleted = yield* BrokerConnection.asBrokerError(AmqpQueue.remove(live, settings, name))
  if (input.json) yield* output.json({ queue: name, deleted: true, messages: deleted })
  else yield* output.line(`${output.paint("green", "deleted")}  ${plain(name)}  ${counted(deleted, "event")}`)
  const deadLetters = yield* infoOf(QueueSpec.deadLetterQueueOf(name))
  if (Option.isNone(deadLetters)) return
  yield* output.note(
    `${plain(deadLetters.value.name)} stays, with ${counted(deadLetters.value.messages, "dead letter")}`
  )
}, Effect.scoped)

/**
 * @category commands
 * @since 0.1.0
 */
export const queue = Command.make("queue").pipe(
  Command.withDescription("List, inspect, purge or delete queues"),
  Command.withSubcommands([
    Command.make("list", listFlags, list).pipe(
      Command.withDescription(
        "Show the queues of a module, or all queues by the management API: their events,\n" +
          "  consumers, dead letters and retries. A queue with events and no consumer is\n" +
          "  marked."
      ),
      Command.withShortDescription("Show all queues, and mark those without consumers"),
      Command.withExamples([{ command: "eventbus queue list --module ./subscriptions.ts" }])
    ),
    Command.make("info", flags, info).pipe(
      Command.withDescription("Show how many events, consumers and dead letters a queue has"),
      Command.withShortDescription("Show how many events, consumers and dead letters it has"),
      Command.withExamples([{ command: "eventbus queue info billing" }])
    ),
    Command.make("purge", flags, purge).pipe(
      Command.withDescription("Permanently delete the events in a queue, without confirmation"),
      Command.withShortDescription("Permanently delete the events"),
      Command.withExamples([{ command: "eventbus queue purge dlq.billing" }])
    ),
    Command.make("delete", deleteFlags, remove).pipe(
      Command.withDescription(
        "Permanently delete a queue and its bindings. It asks for confirmation, unless\n" +
          "  --yes is given, and refuses a queue with events or consumers, unless --force is\n" +
          "  given. The queue of its dead letters stays."
      ),
      Command.withShortDescription("Permanently delete a queue"),
      Command.withExamples([{ command: "eventbus queue delete billing" }])
    )
  ])
)
