/** Runs a soak: `npm run soak -- [--minutes N] [--seed N] [--json FILE]`. */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as BrokerNodes from "../../support/BrokerNodes.ts"
import * as ResultRow from "../experiments/ResultRow.ts"
import * as Soak from "./Soak.ts"
import type { Trend } from "./Trend.ts"

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, seed: { type: "string" }, json: { type: "string" } }
})

// Exit handlers delete temporary files, so they must also run after a signal.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130))

const fail = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const minutes = Number(values.minutes)
if (!(minutes > 0)) fail(`--minutes must be a number above 0, not ${values.minutes}`)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!Number.isSafeInteger(seed) || seed < 0) fail(`--seed must be a whole number, not ${values.seed}`)
if (!BrokerNodes.isPossible) fail(`A soak needs RabbitMQ: ${BrokerNodes.advice}`)

const { isTTY } = process.stderr
let reported = 0
const clock = (millis: number): string => new Date(millis).toISOString().slice(11, 19)
const report = ({ confirmed, elapsed, faults, handled, heap }: Soak.Status): void => {
  if (!isTTY && elapsed - reported < 30_000) return
  reported = elapsed
  const memory = heap === undefined ? "" : ` heap=${heap.toFixed(1)}MB`
  const line = `${clock(elapsed)} faults=${faults} confirmed=${confirmed} handled=${handled}${memory}`
  process.stderr.write(isTTY ? `\r\u001b[K${line}` : `${line}\n`)
}

const { faults, heap, row, rss } = await Soak.run(minutes, seed, report)
if (isTTY) process.stderr.write("\r\u001b[K")
const show = ({ error, level, perHour }: Trend): string =>
  `${level.toFixed(1).padStart(7)} MB  ${perHour >= 0 ? "+" : ""}${perHour.toFixed(1)} ± ${error.toFixed(1)} MB an hour`
console.log(ResultRow.line(row))
console.log(row.log.slice(-40).join("\n"))
console.log(`${ResultRow.table([row])}\n`)
for (const [name, count] of Object.entries(faults)) console.log(`  ${name.padEnd(24)}${`${count}`.padStart(5)}`)
console.log(`\n  heap ${show(heap)}\n  rss  ${show(rss)}\n\nseed=${seed} minutes=${minutes}`)
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ row, faults, heap, rss }, undefined, 2)}\n`)
process.exitCode = ResultRow.holds(row) ? 0 : 1
