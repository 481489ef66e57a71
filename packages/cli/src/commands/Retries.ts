/**
 * `eventbus retries`: shows the events that wait for a retry, and retries them at once.
 *
 * @since 0.1.0
 */

import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { counted, Output, plain } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed, noQueue } from "../Problem.ts"
import * as RetryView from "../RetryView.ts"

const queue = Argument.String("queue").pipe(
  Argument.withDescription("The queue that the events return to"),
  Argument.filter(
    (name) => name !== "",
    () => "it is empty"
  )
)

/** Opens a connection, and fails where the queue does not exist. */
const open = Effect.fnUntraced(function* (queue: string) {
  const { AmqpQueue } = yield* lazyImports.amqp
  const { BrokerConnection } = yield* lazyImports.inspect
  const settings = yield* Connection.settings()
  const live = yield* BrokerConnection.open(settings, "consume")
  const found = yield* BrokerConnection.asBrokerError(AmqpQueue.info(live, queue))
  if (Option.isNone(found)) return yield* noQueue(queue)
  return live
})

const showFlags = {
  queue,
  count: Flag.withDefault(Parameters.count("The number of events that are due next [10]"), 10),
  json: Parameters.json("Print each event as a line of JSON")
}

const show = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof showFlags>) {
  const output = yield* Output
  const { Retries } = yield* lazyImports.inspect
  const live = yield* open(input.queue)
  const retries = yield* Retries.look(live, input.queue, input.count)
  const waiting = retries.delays.reduce((sum, { messages }) => sum + messages, 0)
  if (input.json) {
    return yield* Effect.forEach(retries.next, (event) => output.json(RetryView.toJson(event)), { discard: true })
  }
  if (waiting > 0) yield* output.line(RetryView.format(retries, yield* Clock.currentTimeMillis, output))
  yield* output.note(
    `${counted(waiting, "event")} of ${plain(input.queue)} wait${waiting === 1 ? "s" : ""} for a retry`
  )
}, Effect.scoped)

const nowFlags = { queue, json: Parameters.json("Print the result as a line of JSON") }

const now = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof nowFlags>) {
  const output = yield* Output
  const { Retries } = yield* lazyImports.inspect
  const { Broker } = yield* lazyImports.eventbus
  const live = yield* open(input.queue)
  const { failure, retried, waiting } = yield* Retries.retryNow(live, yield* Broker.Broker, input.queue)
  if (input.json) {
    yield* output.json({ queue: input.queue, waiting, retried, ...(failure && { failure: failure.message }) })
  } else {
    const left = waiting === retried ? "" : ` of ${waiting}`
    yield* output.line(`${output.paint("green", "retried")}  ${plain(input.queue)}  ${retried}${left} now`)
  }
  if (failure !== undefined) return yield* new CommandFailed({ message: failure.message })
}, Effect.scoped)

/**
 * @category commands
 * @since 0.1.0
 */
export const retries = Command.make("retries").pipe(
  Command.withDescription("Show the events that wait for a retry, or retry them now"),
  Command.withSubcommands([
    Command.make("show", showFlags, show).pipe(
      Command.withDescription(
        "Show how many events of a queue wait for a retry, and which ones are due next.\n" +
          "  They keep their places and their times. RabbitMQ 4 counts each look at an\n" +
          "  event, and retries it at once at the 21st."
      ),
      Command.withShortDescription("Show what waits, and when it is due"),
      Command.withExamples([{ command: "eventbus retries show billing" }])
    ),
    Command.make("now", nowFlags, (input) => Effect.provide(now(input), Connection.layerAmqp)).pipe(
      Command.withDescription(
        "Retry the events of a queue that wait for a retry now, instead of when they are\n" +
          "  due. It uses up no additional attempt. Each is safe in the queue before it\n" +
          "  stops waiting."
      ),
      Command.withShortDescription("Retry what waits now"),
      Command.withExamples([{ command: "eventbus retries now billing" }])
    )
  ])
)
