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
import { CommandFailed } from "../Problem.ts"

const flags = {
  broker: Flag.Literals("broker", ["memory", "amqp"]).pipe(
    Flag.withDescription("The broker; amqp is RabbitMQ [memory]"),
    Flag.withMetavar("NAME"),
    Flag.withDefault("memory")
  )
}

type Input = Command.Command.Config.Infer<typeof flags>

const hint = "start a broker with `docker compose up -d --wait`, or run the demo in memory"

const run = Effect.fnUntraced(function* ({ broker }: Input) {
  const { run } = yield* Effect.promise(() => import("../demo/Demo.ts"))
  if (broker === "memory") return yield* Effect.provide(run("in memory"), Connection.layerMemory)
  yield* Effect.provide(run("on RabbitMQ"), Connection.layerAmqp).pipe(
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
      "  some become dead letters. At the end the demo checks its totals, and exits\n" +
      "  with 1 if they do not add up."
  ),
  Command.withExamples([{ command: "eventbus demo" }, { command: "eventbus demo --broker amqp" }])
)
