import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Experiment } from "../experiments/Experiment.ts"
import * as ResultRow from "../experiments/ResultRow.ts"
import type { Mutant } from "./Mutant.ts"

/** The time limit of a run in milliseconds. */
const timeLimit = 180_000

/** The time in milliseconds after which no further run begins, so that all end within the limit of an experiment. */
const timeToRepeat = 100_000

/** Returns whether the result of a run shows that events were published and something was wrong. */
const caught = (row: ResultRow.ResultRow | undefined): boolean =>
  row !== undefined && row.confirmed > 0 && !ResultRow.holds(row)

/** The result of one run of the lab on a mutant. */
interface Verdict {
  readonly isCaught: boolean
  readonly row: ResultRow.ResultRow | undefined
  /** The result in words. */
  readonly said: string
}

/** Runs the fault that must detect a mutant, in a process of its own. */
const runOnce = async ({ name, under }: Mutant, seed: number): Promise<Verdict> => {
  const results = join(tmpdir(), `eventbus-mutant-${process.pid}-${name}.json`)
  const lab = join(import.meta.dirname, "../run/labMain.ts")
  const options = ["--only", under, "--seed", `${seed}`, "--patience", "0.3", "--json", results]
  const child = spawn(process.execPath, ["--import", join(import.meta.dirname, "mutantLoader.ts"), lab, ...options], {
    env: { ...process.env, EVENTBUS_MUTANT: name },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeLimit
  })
  const output: Array<string> = []
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => output.push(String(text)))
  await once(child, "close")
  const report = await readFile(results, "utf8").then(
    (text): { readonly rows: ReadonlyArray<ResultRow.ResultRow> } => JSON.parse(text),
    () => ({ rows: [] })
  )
  await rm(results, { force: true })
  const [row] = report.rows
  return {
    isCaught: child.exitCode === 1 && caught(row),
    row,
    said: `exit code ${child.exitCode}: ${row === undefined ? output.join("").slice(-2000) : ResultRow.line(row)}`
  }
}

/**
 * Makes an experiment that runs a fault on a broken bus. The fault must detect the mutant in one of three runs, each with
 * a seed of its own: where a mutant breaks something only between two steps, not every kill comes between them.
 */
export const experiment = (mutant: Mutant): Experiment => ({
  name: `mutant:${mutant.name}`,
  runsAside: true,
  run: async ({ seed }) => {
    const started = Date.now()
    let run = 1
    let verdict = await runOnce(mutant, seed)
    while (!verdict.isCaught && run < 3 && Date.now() - started < timeToRepeat) {
      verdict = await runOnce(mutant, seed + run++)
    }
    const { isCaught, row, said } = verdict
    const note = `caught in run ${run} under ${mutant.under}: lost=${row?.lost}, ${row?.breaches[0] ?? ""}`
    return {
      ...ResultRow.empty,
      fault: `mutant:${mutant.name}`,
      seed,
      confirmed: row?.confirmed ?? 0,
      took_ms: Date.now() - started,
      notes: isCaught ? [note.slice(0, 200)] : [],
      breaches: isCaught ? [] : [`not caught under ${mutant.under} in ${run} runs (${said})`]
    }
  }
})
