/**
 * `eventbus queue unbind`: stops the events of a pattern from reaching a queue.
 *
 * @since 0.1.0
 */

import * as RoutingKey from "effect-eventbus/RoutingKey"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Confirmation from "../../Confirmation.ts"
import * as Connection from "../../Connection.ts"
import * as lazyImports from "../../lazyImports.ts"
import { Output, plain } from "../../Output.ts"
import { CommandFailed, noQueue, UsageError } from "../../Problem.ts"
import * as queueFlags from "./queueFlags.ts"

const flags = {
  ...queueFlags.one,
  pattern: Argument.String("pattern").pipe(Argument.withDescription("The pattern by which it is bound")),
  yes: Confirmation.yes
}

const run = Effect.fnUntraced(function* ({ json, name, pattern, yes }: Command.Command.Config.Infer<typeof flags>) {
  const output = yield* Output
  yield* Effect.try({
    try: () => RoutingKey.checkPattern(pattern),
    catch: (error) => new UsageError({ message: error instanceof Error ? error.message : String(error) })
  })
  yield* Confirmation.require(yes)
  const { AmqpQueue } = yield* lazyImports.amqp
  const { BrokerConnection, Management } = yield* lazyImports.inspect
  const settings = yield* Connection.settings()
  const { exchange } = settings
  const management = yield* Management.fromConfig(settings)
  const live = yield* BrokerConnection.open(settings, "consume")
  if (Option.isNone(yield* BrokerConnection.asBrokerError(AmqpQueue.info(live, name)))) return yield* noQueue(name)
  if (Option.isSome(management)) {
    const bindings = yield* management.value.bindings(name)
    const patterns = bindings.flatMap((binding) => (binding.exchange === exchange ? [binding.key] : []))
    if (!patterns.includes(pattern)) {
      const known = patterns.length === 0 ? "no pattern" : patterns.map((known) => `"${known}"`).join(", ")
      return yield* new CommandFailed({
        message: `"${name}" is not bound to "${exchange}" by "${pattern}". It is bound by ${known}`
      })
    }
  }
  const question = `Unbind the queue "${plain(name)}" from "${plain(pattern)}"? It will not receive these events`
  if (!yes && !(yield* Confirmation.ask(question))) return yield* output.note("Nothing was unbound")
  yield* BrokerConnection.asBrokerError(AmqpQueue.unbind(live, name, { exchange, key: pattern }))
  if (json) yield* output.json({ queue: name, exchange, pattern, unbound: true })
  else yield* output.line(`${output.paint("green", "unbound")}  ${plain(name)}  ${plain(pattern)}`)
  if (Option.isNone(management)) {
    yield* output.note("RabbitMQ does not tell over AMQP whether it was bound. RABBITMQ_MANAGEMENT_URL checks this")
  }
}, Effect.scoped)

/**
 * @category commands
 * @since 0.1.0
 */
export const unbind = Command.make("unbind", flags, run).pipe(
  Command.withDescription(
    "Remove the binding of a queue by a pattern. Events in the queue stay. It asks for\n" +
      "  confirmation, unless --yes is given. An application whose subscription has the\n" +
      "  pattern binds the queue again when it starts."
  ),
  Command.withShortDescription("Stop the events of a pattern from reaching a queue"),
  Command.withExamples([{ command: "eventbus queue unbind billing 'invoice.#'" }])
)
