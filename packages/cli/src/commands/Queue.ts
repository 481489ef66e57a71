/**
 * `eventbus queue`: inspects or purges a queue.
 *
 * @since 0.1.0
 */

import type { QueueInfo } from "effect-eventbus/Broker"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output, pad, plain } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { noQueue } from "../Problem.ts"

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

/**
 * @category commands
 * @since 0.1.0
 */
export const queue = Command.make("queue").pipe(
  Command.withDescription("Inspect or purge a queue"),
  Command.withSubcommands([
    Command.make("info", flags, info).pipe(
      Command.withDescription("Show how many events, consumers and dead letters a queue has"),
      Command.withShortDescription("Show how many events, consumers and dead letters it has"),
      Command.withExamples([{ command: "eventbus queue info billing" }])
    ),
    Command.make("purge", flags, purge).pipe(
      Command.withDescription("Permanently delete the events in a queue, without confirmation"),
      Command.withShortDescription("Permanently delete the events"),
      Command.withExamples([{ command: "eventbus queue purge dlq.billing" }])
    )
  ])
)
