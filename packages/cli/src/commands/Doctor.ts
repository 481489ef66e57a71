/**
 * `eventbus doctor`: finds problems with the broker, and says how to fix them.
 *
 * @since 0.1.0
 */

import type { Check } from "@effect-eventbus/inspect/Diagnosis"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Blobs from "../Blobs.ts"
import * as Connection from "../Connection.ts"
import * as lazyImports from "../lazyImports.ts"
import { Output, pad, pipedColumns, plain, type Style, wrap } from "../Output.ts"
import * as Parameters from "../Parameters.ts"
import { CommandFailed } from "../Problem.ts"

const flags = {
  module: Flag.optional(Parameters.module),
  json: Parameters.json("Print each check as a line of JSON")
}

type Input = Command.Command.Config.Infer<typeof flags>

const styles: Record<Check["status"], Style> = { ok: "green", warn: "yellow", fail: "red", skip: "dim" }
/** The longest name of a check, "feature flags", has 13 characters. */
const margin = 6 + 15

const show = Effect.fnUntraced(function* (check: Check) {
  const { columns = pipedColumns, line, paint } = yield* Output
  const status = paint(styles[check.status], pad(check.status, 6))
  yield* line(`${status}${pad(check.check, margin - 6)}${wrap(plain(check.detail), columns, margin)}`)
  if (check.status === "ok") return
  yield* line(`${" ".repeat(margin)}${paint("cyan", wrap(`→ ${plain(check.advice)}`, columns, margin))}`)
})

const run = Effect.fnUntraced(function* ({ json, module }: Input) {
  const { Contract, Diagnosis, Management } = yield* lazyImports.inspect
  const output = yield* Output
  const contract = Option.isNone(module) ? undefined : yield* Contract.load(module.value)
  const settings = yield* Connection.settings(contract?.options)
  const management = yield* Management.fromConfig(settings)
  const blobs = contract === undefined ? undefined : yield* Blobs.survey(contract, management)
  const counts = { ok: 0, warn: 0, fail: 0, skip: 0 }
  yield* Stream.runForEach(
    Diagnosis.run({ settings, queues: contract?.subscriptions ?? [], management, blobs }),
    (check) => {
      counts[check.status]++
      return json ? output.json(check) : show(check)
    }
  )
  if (!json) {
    const { fail, ok, skip, warn } = counts
    const warnings = warn === 1 ? "1 warning" : `${warn} warnings`
    yield* output.note(`${ok} ok, ${warnings}, ${fail} failed, ${skip} skipped`)
  }
  if (counts.fail > 0) {
    return yield* new CommandFailed({ message: counts.fail === 1 ? "A check failed" : `${counts.fail} checks failed` })
  }
})

/**
 * @category commands
 * @since 0.1.0
 */
export const doctor = Command.make("doctor", flags, run).pipe(
  Command.withShortDescription("Find problems, and how to fix them"),
  Command.withDescription(
    "Find problems with the broker, and how to fix them. It checks the version,\n" +
      "  feature flags, memory limits, alarms, clock and permissions and, with a\n" +
      "  module, the queues, bindings and blobs. It leaves nothing behind. Exits with 1\n" +
      "  if a check fails."
  ),
  Command.withExamples([
    { command: "eventbus doctor" },
    { command: "eventbus doctor --json | jq 'select(.status == \"fail\")'" }
  ])
)
