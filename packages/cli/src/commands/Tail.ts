/**
 * `eventbus tail`: shows events as they are published.
 *
 * It takes nothing from anyone: it listens with a queue of its own, which ends
 * with it.
 *
 * @since 0.1.0
 */

import * as RoutingKey from "effect-eventbus/RoutingKey"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Connection from "../Connection.ts"
import * as EventLine from "../EventLine.ts"
import * as ExitCode from "../ExitCode.ts"
import * as Modules from "../Modules.ts"
import { Output } from "../Output.ts"
import * as Parameters from "../Parameters.ts"

const flags = {
  patterns: Argument.String("pattern").pipe(
    Argument.withDescription("Routing keys: * is one word, # any number [#]"),
    Argument.mapTryCatch(RoutingKey.checkPattern, Parameters.reason),
    Argument.variadic()
  ),
  count: Flag.optional(Parameters.count("End after so many events")),
  json: Parameters.json("Each event as a line of JSON, as it travels")
}

type Input = Command.Command.Config.Infer<typeof flags>

/** How many events are on their way to the screen at once. */
const window = 100

const listen = Effect.fnUntraced(function* (input: Input, patterns: ReadonlyArray<string>) {
  const output = yield* Output
  const { Broker, Subscription } = yield* Modules.eventbus
  const broker = yield* Broker.Broker
  const subscription = Subscription.make(`tail.${crypto.randomUUID()}`, {
    patterns,
    temporary: true,
    concurrency: window
  })
  const deliveries = yield* Broker.deliveries(broker, subscription)
  yield* output.note(`Listening for ${patterns.join(" ")} (Ctrl-C ends it)`)
  const wanted = Option.getOrElse(input.count, () => Infinity)
  for (let shown = 0; shown < wanted; shown++) {
    const { ack, envelope } = yield* Queue.take(deliveries)
    const decoded = subscription.decode(envelope)
    yield* input.json
      ? output.json(EventLine.toJson(envelope, decoded))
      : output.line(EventLine.format(envelope, decoded, output))
    yield* ack
  }
}, Effect.scoped)

const run = (input: Input) =>
  listen(input, input.patterns.length === 0 ? ["#"] : input.patterns).pipe(
    Effect.provide(Connection.layerAmqp),
    // Ctrl-C is how it ends, not how it fails.
    ExitCode.whenInterrupted(0)
  )

/**
 * @category commands
 * @since 0.1.0
 */
export const tail = Command.make("tail", flags, run).pipe(
  Command.withShortDescription("Show events as they are published"),
  Command.withDescription(
    "Show events as they are published, until Ctrl-C. It listens with a queue of\n" +
      "  its own, and takes nothing from anyone. Put patterns in quotes: the shell has\n" +
      "  its own ideas about * and #."
  ),
  Command.withExamples([
    { command: "eventbus tail 'task.*.critical' 'plan.failed.*'" },
    { command: "eventbus tail --json | jq 'select(.priority == \"high\").payload'" }
  ])
)
