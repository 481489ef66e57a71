/**
 * `eventbus doctor`: looks for what is wrong with the broker, and says what to do.
 *
 * @since 0.1.0
 */

import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "../Connection.ts"
import type { Check } from "../Diagnosis.ts"
import { Output, pad, plain, type Style, wrap } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed } from "../Problem.ts"

const flags = {
  module: Flag.optional(Parameters.module),
  json: Parameters.json("Each check as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const styles: Record<Check["status"], Style> = { ok: "green", warn: "yellow", fail: "red", skip: "dim" }
/** "feature flags" has 13 letters. */
const margin = 6 + 15

const show = Effect.fnUntraced(function* (check: Check) {
  const { columns = Infinity, line, paint } = yield* Output
  const status = paint(styles[check.status], pad(check.status, 6))
  yield* line(`${status}${pad(check.check, margin - 6)}${wrap(plain(check.detail), columns, margin)}`)
  if (check.status === "ok") return
  yield* line(`${" ".repeat(margin)}${paint("cyan", wrap(`→ ${plain(check.advice)}`, columns, margin))}`)
})

const run = Effect.fnUntraced(function* ({ json, module }: Input) {
  const [Contract, Diagnosis, Management] = yield* Effect.promise(() =>
    Promise.all([import("../Contract.ts"), import("../Diagnosis.ts"), import("../Management.ts")])
  )
  const output = yield* Output
  const contract = Option.isNone(module) ? Option.none() : Option.some(yield* Contract.load(module.value))
  const settings = yield* Connection.settings(Option.match(contract, { onNone: () => ({}), onSome: (c) => c.options }))
  const management = yield* Management.fromEnvironment(settings)
  const counts = { ok: 0, warn: 0, fail: 0, skip: 0 }
  const report = (checks: ReadonlyArray<Check>) =>
    Effect.forEach(
      checks,
      (check) => {
        counts[check.status]++
        return json ? output.json(check) : show(check)
      },
      { discard: true }
    )
  yield* Diagnosis.run({ contract, settings, management }, report).pipe(
    Effect.catchTag("BrokerError", (error) => report([Diagnosis.noConnection(error)]))
  )
  if (!json) {
    const parts = [
      `${counts.ok} well`,
      `${counts.warn} to look at`,
      `${counts.fail} wrong`,
      `${counts.skip} not looked at`
    ]
    yield* output.note(parts.join(", "))
  }
  if (counts.fail > 0) {
    return yield* new CommandFailed({ message: counts.fail === 1 ? "A check failed" : `${counts.fail} checks failed` })
  }
}, Effect.scoped)

/**
 * @category commands
 * @since 0.1.0
 */
export const doctor = Command.make("doctor", flags, run).pipe(
  Command.withShortDescription("Look for what is wrong, and say what to do"),
  Command.withDescription(
    "Look for what is wrong with the broker, and say what to do: its version,\n" +
      "  feature flags, alarms, clock, what this user may do, and with a module, its\n" +
      "  queues and dead letters. It leaves nothing behind. Exits with 1 when\n" +
      "  something is wrong."
  ),
  Command.withExamples([
    { command: "eventbus doctor" },
    { command: "eventbus doctor --json | jq 'select(.status == \"fail\")'" }
  ])
)
