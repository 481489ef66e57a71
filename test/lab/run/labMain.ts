/**
 * Runs the fault lab: `npm run test:faults -- [--only NAME[,NAME]] [--seed N] [--quick] [--json FILE]`.
 *
 * `--only frames --schedule N` runs one schedule of frames, with the number that a breach names. `--patience 0.5` halves
 * all time limits.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as BrokerNodes from "../../support/BrokerNodes.ts"
import { all, quick } from "./experiments.ts"
import { LabReport } from "./LabReport.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seed: { type: "string" },
    schedule: { type: "string" },
    patience: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "string", default: join(import.meta.dirname, "../results.json") }
  }
})

// Exit handlers delete temporary files, so they must also run after a signal.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130))

const fail = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!Number.isSafeInteger(seed) || seed < 0) fail(`--seed must be a whole number, not ${values.seed}`)

const wanted = values.only?.split(",")
const known = new Set(all.map(({ name }) => name))
const unknown = wanted?.filter((name) => !known.has(name)) ?? []
if (unknown.length > 0) fail(`There is no fault named ${unknown.join(", ")}. The faults are:\n${[...known].join("\n")}`)
if (!BrokerNodes.isPossible) fail(`The fault lab needs RabbitMQ: ${BrokerNodes.advice}`)

const chosen = wanted === undefined ? (values.quick ? quick : all) : all.filter(({ name }) => wanted.includes(name))
const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))
const report = await LabReport.run(chosen, {
  seed,
  patience: numberOf(values.patience),
  schedule: numberOf(values.schedule)
})
console.log(`\n${report.table}`)
writeFileSync(values.json, `${JSON.stringify(report.json, undefined, 2)}\n`)
// The results already report anything left open. It must not keep the process alive.
process.exit(report.isGood ? 0 : 1)
