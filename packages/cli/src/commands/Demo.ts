/**
 * `eventbus demo`: the bus at work.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Connection from "../Connection.ts"
import * as ExitCode from "../ExitCode.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed, UsageError } from "../Problem.ts"

const flags = {
  broker: Flag.Literals("broker", ["memory", "amqp"]).pipe(
    Flag.withDescription("The broker; amqp is RabbitMQ [memory]"),
    Flag.withMetavar("NAME"),
    Flag.withDefault("memory")
  ),
  chaos: Flag.Boolean("chaos").pipe(
    Flag.withDescription("Cut the connections to RabbitMQ meanwhile"),
    Flag.withDefault(false)
  ),
  console: Flag.Boolean("console").pipe(
    Flag.withDescription("Serve the console of a shop with 600 dead letters"),
    Flag.withDefault(false)
  ),
  port: Parameters.port("The port of the console [4680]", 4680),
  open: Flag.Boolean("open").pipe(Flag.withDescription("Open the console in the browser"), Flag.withDefault(false))
}

type Input = Command.Command.Config.Infer<typeof flags>

const hint = "start a broker with `docker compose up -d --wait`, or run the demo in memory"

const run = Effect.fnUntraced(function* ({ broker, chaos, console, open, port }: Input) {
  if (console) {
    if (broker === "amqp" || chaos) return yield* new UsageError({ message: "The console of the demo is in memory" })
    const { run } = yield* Effect.promise(() => import("../demo/Incident.ts"))
    return yield* run({ host: "127.0.0.1", port, open }).pipe(
      Effect.provide(Connection.layerMemory),
      // The audit lines of the console are informations.
      Effect.provideService(References.MinimumLogLevel, "Info"),
      // Ctrl-C is the normal end.
      ExitCode.whenInterrupted(0)
    )
  }
  if (broker === "memory") {
    if (chaos) return yield* new UsageError({ message: "In memory there is no connection to cut: use --broker amqp" })
    const { run } = yield* Effect.promise(() => import("../demo/Demo.ts"))
    return yield* Effect.provide(run("in memory", crypto.randomUUID()), Connection.layerMemory)
  }
  const { run } = yield* Effect.promise(() => import("../demo/Demo.ts"))
  const { run: runChaos } = yield* Effect.promise(() => import("../demo/Chaos.ts"))
  const onRabbit = chaos ? runChaos() : Effect.provide(run("on RabbitMQ", crypto.randomUUID()), Connection.layerAmqp)
  yield* onRabbit.pipe(
    Effect.catchTag("BrokerError", (error) =>
      Effect.fail(
        error.reason._tag === "ConnectionFailed" ? new CommandFailed({ message: `${error.message} (${hint})` }) : error
      )
    )
  )
})

/**
 * @category commands
 * @since 0.1.0
 */
export const demo = Command.make("demo", flags, (input) =>
  // The screen shows the dead letters already.
  Effect.provideService(run(input), References.MinimumLogLevel, "Error")
).pipe(
  Command.withShortDescription("Watch the bus at work"),
  Command.withDescription(
    "Watch agents work on a plan: tasks are submitted, retried and completed, and\n" +
      "  some become dead letters, of which one is mended. At the end the demo checks\n" +
      "  its totals, and exits with 1 if they do not add up. With --console, it serves\n" +
      "  the console of a shop whose payments failed for a while, until Ctrl-C."
  ),
  Command.withExamples([
    { command: "eventbus demo" },
    { command: "eventbus demo --console --open" },
    { command: "eventbus demo --broker amqp --chaos" }
  ])
)
