/**
 * `eventbus health`: shows the health of the broker.
 *
 * @since 0.1.0
 */

import type { Health } from "effect-eventbus/Broker"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output, plain, type Style } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed } from "../Problem.ts"
import * as Watch from "../Watch.ts"

const flags = {
  json: Parameters.json("Print the result as a line of JSON"),
  watch: Watch.flag
}

type Input = Command.Command.Config.Infer<typeof flags>

const styles: Record<Health["status"], Style> = { healthy: "green", degraded: "yellow", unhealthy: "red" }

const show = Effect.fnUntraced(function* (health: Health, json: boolean) {
  const output = yield* Output
  if (json) return yield* output.json(health)
  const details = Object.entries({ connected: health.connected, ...health.details })
  const width = Math.max(...details.map(([name]) => name.length))
  yield* output.line(output.paint(styles[health.status], health.status))
  for (const [name, value] of details) {
    const text = typeof value === "boolean" ? (value ? "yes" : "no") : plain(String(value))
    yield* output.line(`  ${output.paint("dim", name.padEnd(width))}  ${text}`)
  }
})

const check = Effect.fnUntraced(function* (input: Input) {
  const { EventBus } = yield* lazyImports.eventbus
  const bus = yield* EventBus.EventBus
  if (input.watch) {
    return yield* Watch.run(
      input,
      Effect.flatMap(bus.health, (health) => show(health, input.json))
    )
  }
  const health = yield* bus.health
  yield* show(health, input.json)
  if (health.status === "unhealthy") return yield* new CommandFailed({ message: "The broker is unhealthy" })
}, Effect.provide(Connection.layerAmqp))

const run = (input: Input) =>
  Effect.tapError(check(input), (error) => {
    if (!input.json || error._tag !== "BrokerError") return Effect.void
    // A program reads only stdout, so the failure has to be there as well.
    return show({ status: "unhealthy", connected: false, details: { error: error.message } }, input.json)
  })

/**
 * @category commands
 * @since 0.1.0
 */
export const health = Command.make("health", flags, run).pipe(
  Command.withShortDescription("Show the health of the broker"),
  Command.withDescription("Show the health of the broker. Exits with 1 if it is unhealthy or unreachable."),
  Command.withExamples([{ command: "eventbus health --json | jq -r .status" }])
)
