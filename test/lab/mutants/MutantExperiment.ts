import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Experiment } from "../experiments/Experiment.ts"
import * as ResultRow from "../experiments/ResultRow.ts"
import type { Mutant } from "./Mutant.ts"

const timeLimit = 180_000

/** Returns whether the result of a run shows that events were published and something was wrong. */
const caught = (row: ResultRow.ResultRow | undefined): boolean =>
  row !== undefined && row.confirmed > 0 && !ResultRow.holds(row)

/** Makes an experiment that runs a fault on a broken bus, in a process of its own. The fault must detect the mutant. */
export const experiment = (mutant: Mutant): Experiment => ({
  name: `mutant:${mutant.name}`,
  runsAside: true,
  run: async ({ seed }) => {
    const started = Date.now()
    const results = join(tmpdir(), `eventbus-mutant-${process.pid}-${mutant.name}.json`)
    const here = import.meta.dirname
    const child = spawn(
      process.execPath,
      [
        "--import",
        join(here, "mutantLoader.ts"),
        join(here, "../run/labMain.ts"),
        "--only",
        mutant.under,
        "--seed",
        `${seed}`
      ].concat("--patience", "0.3", "--json", results),
      { env: { ...process.env, EVENTBUS_MUTANT: mutant.name }, stdio: ["ignore", "pipe", "pipe"], timeout: timeLimit }
    )
    const output: Array<string> = []
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => output.push(String(text)))
    await once(child, "close")
    const report = await readFile(results, "utf8").then(
      (text): { readonly rows: ReadonlyArray<ResultRow.ResultRow> } => JSON.parse(text),
      () => ({ rows: [] })
    )
    await rm(results, { force: true })
    const [row] = report.rows
    const isCaught = child.exitCode === 1 && caught(row)
    const result = row === undefined ? output.join("").slice(-2000) : ResultRow.line(row)
    return {
      ...ResultRow.empty,
      fault: `mutant:${mutant.name}`,
      seed,
      confirmed: row?.confirmed ?? 0,
      took_ms: Date.now() - started,
      notes: isCaught
        ? [`caught under ${mutant.under}: lost=${row?.lost}, ${row?.breaches[0] ?? ""}`.slice(0, 200)]
        : [],
      breaches: isCaught ? [] : [`not caught under ${mutant.under} (exit code ${child.exitCode}): ${result}`]
    }
  }
})
