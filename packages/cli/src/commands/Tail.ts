/**
 * `eventbus tail`: shows events as they are published.
 *
 * It consumes from a temporary queue, so it takes no event away from other consumers.
 *
 * @since 0.1.0
 */

import * as Priority from "effect-eventbus/Priority"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Connection from "../Connection.ts"
import * as EventLine from "../EventLine.ts"
import * as ExitCode from "../ExitCode.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output } from "../Output.ts"
import * as Parameters from "../Parameters.ts"

const flags = {
  patterns: Argument.String("pattern").pipe(
    Argument.withDescription("Routing keys; * is one word, # any number [#]"),
    Argument.mapTryCatch(RoutingKey.checkPattern, Parameters.reason),
    Argument.variadic()
  ),
  count: Flag.optional(Parameters.count("Stop after N events")),
  json: Parameters.json("Print each event as JSON, as on the wire")
}

type Input = Command.Command.Config.Infer<typeof flags>

/** Returns whether a pattern looks like the type of an event: it is no pattern, and no key with a priority. */
const isType = (pattern: string): boolean =>
  !/[*#]/.test(pattern) && !Priority.all.some((priority) => pattern.endsWith(`.${priority}`))

/** The number of messages that may be unacknowledged at once. */
const concurrency = 100

const listen = Effect.fnUntraced(function* (input: Input, patterns: ReadonlyArray<string>) {
  const output = yield* Output
  const { Broker, Subscription } = yield* lazyImports.eventbus
  const broker = yield* Broker.Broker
  const subscription = Subscription.make(`tail.${crypto.randomUUID()}`, {
    patterns,
    temporary: true,
    concurrency
  })
  const deliveries = yield* Broker.deliveries(broker, subscription)
  yield* output.note(`Listening for ${patterns.join(" ")} (Ctrl-C ends it)`)
  for (const type of patterns.filter(isType)) {
    yield* output.note(`"${type}" is a whole key. For the events of a type, use "${type}.*"`)
  }
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
    // A connection that is lost is a warning. That it is back is an information of the library.
    Effect.provideService(References.MinimumLogLevel, "Info"),
    // Ctrl-C is the normal end.
    ExitCode.whenInterrupted(0)
  )

/**
 * @category commands
 * @since 0.1.0
 */
export const tail = Command.make("tail", flags, run).pipe(
  Command.withShortDescription("Show events as they are published"),
  Command.withDescription(
    "Show events as they are published, until Ctrl-C. Other consumers still receive\n" +
      "  them. Quote the patterns: * and # are special characters of the shell."
  ),
  Command.withExamples([
    { command: "eventbus tail 'task.*.critical' 'plan.failed.*'" },
    { command: "eventbus tail --json | jq 'select(.priority == \"high\").payload'" }
  ])
)
