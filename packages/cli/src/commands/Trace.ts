/**
 * `eventbus trace`: draws the tree that the events of one trace make, as it grows.
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
    Argument.withDescription("The trace, a UUID"),
    Argument.filter(Parameters.isUuid, (text) => `"${text}" is not a UUID`)
  ),
  queues: Flag.String("queue").pipe(
    Flag.withDescription("Look into the dead letters of this queue, too"),
    Flag.withMetavar("NAME"),
    Flag.atLeast(0)
  ),
  for: Flag.optional(Parameters.duration("for", "End after so long, such as 30s or 5m")),
  count: Flag.optional(Parameters.count("End after so many events and dead letters")),
  json: Parameters.json("Each event and dead letter as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const run = Effect.fnUntraced(
  function* (input: Input) {
    const { follow } = yield* Effect.promise(() => import("../Trace.ts"))
    yield* Effect.provide(follow(input), Connection.layerAmqp)
  },
  // Ctrl-C is how it ends, not how it fails.
  ExitCode.whenInterrupted(0)
)

/**
 * @category commands
 * @since 0.1.0
 */
export const trace = Command.make("trace", flags, run).pipe(
  Command.withShortDescription("Draw what caused what in a trace"),
  Command.withDescription(
    "Draw the tree that the events of one trace make, as it grows, until Ctrl-C.\n" +
      "  It sees what is published from now on and, with --queue, the dead letters\n" +
      "  that wait in a queue, of earlier events as well. A retry goes straight back\n" +
      "  to its queue, where nobody sees it; the dead letter says how many there were."
  ),
  Command.withExamples([
    { command: "eventbus trace 1f0b5c1e-0000-4000-8000-00000000000b --queue billing" },
    { command: "eventbus trace 1f0b5c1e-0000-4000-8000-00000000000b --for 30s --json" }
  ])
)
