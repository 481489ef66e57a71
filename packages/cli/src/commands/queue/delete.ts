/**
 * `eventbus queue purge` and `delete`: delete the events of a queue, or the queue itself.
 *
 * @since 0.1.0
 */

import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Confirmation from "../../Confirmation.ts"
import * as Connection from "../../Connection.ts"
import * as lazyImports from "../../lazyImports.ts"
import { counted, Output, plain } from "../../Output.ts"
import { CommandFailed, noQueue } from "../../Problem.ts"
import * as queueFlags from "./queueFlags.ts"

const purge = Effect.fnUntraced(function* ({ json, name }: Command.Command.Config.Infer<typeof queueFlags.one>) {
  const output = yield* Output
  const { EventBus } = yield* lazyImports.eventbus
  const bus = yield* EventBus.EventBus
  const purged = yield* Effect.catchIf(
    bus.purge(name),
    (error) => error.reason._tag === "NotFound",
    () => noQueue(name)
  )
  if (json) return yield* output.json({ queue: name, purged })
  yield* output.line(`${output.paint("green", "purged")}  ${plain(name)}  ${counted(purged, "event")} deleted`)
}, Effect.provide(Connection.layerAmqp))

const deleteFlags = {
  ...queueFlags.one,
  yes: Confirmation.yes,
  force: Flag.Boolean("force").pipe(
    Flag.withDescription("Delete it with its events, even while it has consumers"),
    Flag.withDefault(false)
  )
}

/** Quorum queues do not support RabbitMQ's own conditions for a deletion, so the queue is looked at just before. */
const remove = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof deleteFlags>) {
  const output = yield* Output
  const { name } = input
  yield* Confirmation.require(input.yes)
  const { AmqpQueue } = yield* lazyImports.amqp
  const { BrokerConnection } = yield* lazyImports.inspect
  const settings = yield* Connection.settings()
  const live = yield* BrokerConnection.open(settings, "consume")
  const infoOf = (queue: string) => BrokerConnection.asBrokerError(AmqpQueue.info(live, queue))
  const found = yield* infoOf(name)
  if (Option.isNone(found)) return yield* noQueue(name)
  const { consumers, messages } = found.value
  const content = `${counted(messages, "event")} and ${counted(consumers, "consumer")}`
  if (!input.force && (messages > 0 || consumers > 0)) {
    return yield* new CommandFailed({ message: `"${name}" has ${content}: to delete it anyway, use --force` })
  }
  const question = `Permanently delete the queue "${plain(name)}" with ${content}?`
  if (!input.yes && !(yield* Confirmation.ask(question))) return yield* output.note("Nothing was deleted")
  const deleted = yield* BrokerConnection.asBrokerError(AmqpQueue.remove(live, name))
  if (input.json) yield* output.json({ queue: name, deleted: true, messages: deleted })
  else yield* output.line(`${output.paint("green", "deleted")}  ${plain(name)}  ${counted(deleted, "event")}`)
  const deadLetters = yield* infoOf(QueueSpec.deadLetterQueueOf(name))
  if (Option.isNone(deadLetters)) return
  yield* output.note(
    `${plain(deadLetters.value.name)} stays, with ${counted(deadLetters.value.messages, "dead letter")}`
  )
}, Effect.scoped)

/**
 * The commands that delete.
 *
 * @category commands
 * @since 0.1.0
 */
export const commands = [
  Command.make("purge", queueFlags.one, purge).pipe(
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
] as const
