/**
 * `eventbus serve`: serves health and metrics over HTTP, for probes and Prometheus.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as ExitCode from "../ExitCode.ts"
import * as Parameters from "../Parameters.ts"

const flags = {
  port: Parameters.port("The port; 0 is any free port [9464]", 9464),
  host: Flag.String("host").pipe(
    Flag.withDescription("The address; 0.0.0.0 is all interfaces [127.0.0.1]"),
    Flag.withMetavar("ADDRESS"),
    Flag.withDefault("127.0.0.1")
  )
}

type Input = Command.Command.Config.Infer<typeof flags>

const run = Effect.fnUntraced(
  function* (input: Input) {
    const { run } = yield* Effect.promise(() => import("../Server.ts"))
    return yield* run(input)
  },
  // Ctrl-C is the normal end.
  ExitCode.whenInterrupted(0)
)

/**
 * @category commands
 * @since 0.1.0
 */
export const serve = Command.make("serve", flags, run).pipe(
  Command.withShortDescription("Serve health and metrics over HTTP"),
  Command.withDescription(
    "Serve /health/live, /health/ready and /metrics to probes and Prometheus, until\n" +
      "  Ctrl-C. They report on the broker only, not on the subscriptions of your app:\n" +
      "  mount the routes in the app for that."
  ),
  Command.withExamples([{ command: "eventbus serve --port 9464 --host 0.0.0.0" }])
)
