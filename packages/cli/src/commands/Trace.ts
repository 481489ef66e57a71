/**
 * `eventbus trace`: draws the events of one trace as a tree, as they are published.
 *
 * @since 0.1.0
 */

import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Connection from "../Connection.ts"
import * as ExitCode from "../ExitCode.ts"
import * as Parameters from "../Parameters.ts"

const flags = {
  traceId: Argument.String("trace-id").pipe(
    Argument.withDescription("The id of the trace, a UUID"),
    Argument.filter(Parameters.isUuid, (text) => `"${text}" is not a UUID`)
  ),
  queues: Flag.String("queue").pipe(
    Flag.withDescription("Also show dead letters of this queue; repeatable"),
    Flag.withMetavar("NAME"),
    Flag.atLeast(0)
  ),
  for: Flag.optional(Parameters.duration("for", "Stop after this time, such as 30s or 5m")),
  count: Flag.optional(Parameters.count("Stop after N events and dead letters")),
  json: Parameters.json("Print each event and dead letter as JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const run = Effect.fnUntraced(
  function* (input: Input) {
    const { follow } = yield* Effect.promise(() => import("../TraceView.ts"))
    yield* Effect.provide(follow(input), Connection.layerAmqp)
  },
  // Ctrl-C is the normal end.
  ExitCode.whenInterrupted(0)
)

/**
 * @category commands
 * @since 0.1.0
 */
export const trace = Command.make("trace", flags, run).pipe(
  Command.withShortDescription("Draw the events of a trace as a tree"),
  Command.withDescription(
    "Draw the events of a trace as a tree of causes and effects, until Ctrl-C. It\n" +
      "  shows the events that are published from now on and, with --queue, the dead\n" +
      "  letters of the trace in a queue, even older ones. Retries do not show, because\n" +
      "  they go straight back to their queue; a dead letter counts its attempts."
  ),
  Command.withExamples([
    { command: "eventbus trace 1f0b5c1e-0000-4000-8000-00000000000b --queue billing" },
    { command: "eventbus trace 1f0b5c1e-0000-4000-8000-00000000000b --for 30s --json" }
  ])
)
