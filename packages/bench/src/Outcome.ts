/**
 * The outcome of a scenario: the cost of each contestant relative to the baseline.
 *
 * @since 0.1.0
 */

import { randomBytes } from "node:crypto"
import { join } from "node:path"
import * as Process from "./ContestantProcess.ts"
import * as Contestants from "./Contestants.ts"
import type { Report } from "./Report.ts"
import type { Scenario } from "./Scenario.ts"

/**
 * One contestant's runs, round by round; `undefined` is one that failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly contestant: string
  readonly reports: ReadonlyArray<Report | undefined>
  /** The error of the first run that failed. */
  readonly failure: string | undefined
}

/**
 * The rows of a scenario.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly scenario: Scenario
  readonly rows: ReadonlyArray<Row>
}

/**
 * How to run scenarios.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: string
  readonly rounds: number
  /** Runs these only, beside the bus and the baseline. Where it is undefined, the scenario says whether all take part. */
  readonly peers: ReadonlyArray<string> | undefined
  /** A folder for CPU profiles of the last round. */
  readonly profiles: string | undefined
  readonly signal: AbortSignal
  readonly progress: (what: string) => void
}

/** A row that is being filled. */
interface Running extends Row {
  readonly reports: Array<Report | undefined>
  failure: string | undefined
}

/**
 * Runs a scenario: in each round every contestant once, one after the other, so
 * that what happens to the machine happens to all of them.
 *
 * @category running
 * @since 0.1.0
 */
export const run = async (scenario: Scenario, options: Options): Promise<Outcome> => {
  const { peers, profiles, progress, rounds, signal, url } = options
  const all = Contestants.names(scenario.broker)
  const wanted = new Set([
    "eventbus",
    Contestants.baseline[scenario.broker],
    ...(peers ?? all.filter((name) => Contestants.isPeer(name, scenario)))
  ])
  const names = all.filter((name) => wanted.has(name))
  const rows = names.map((contestant): Running => ({ contestant, reports: [], failure: undefined }))
  for (let round = 1; round <= rounds; round++) {
    for (const row of rows) {
      const { contestant } = row
      progress(`${scenario.name} ${round}/${rounds}: ${contestant}`)
      const id = randomBytes(5).toString("hex")
      const file = round < rounds ? undefined : profileOf(profiles, scenario, contestant)
      try {
        row.reports.push(
          await Process.run({ contestant, scenario, url, id, ...(file === undefined ? {} : { profile: file }) }, signal)
        )
      } catch (error) {
        signal.throwIfAborted()
        row.reports.push(undefined)
        row.failure ??= error instanceof Error ? error.message : String(error)
      }
    }
  }
  return { scenario, rows }
}

/**
 * The file of a contestant's CPU profile, where such are wanted.
 *
 * @category getters
 * @since 0.1.0
 */
export const profileOf = (folder: string | undefined, { name }: Scenario, contestant: string): string | undefined =>
  folder === undefined ? undefined : join(folder, `${name}.${contestant}.cpuprofile`)

/**
 * The one in the middle.
 *
 * @category getters
 * @since 0.1.0
 */
export const median = (values: ReadonlyArray<number>): number | undefined => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? undefined : (low + high) / 2
}

/**
 * Something that is measured, as a number an event. Less is better but for `throughput`.
 *
 * @category models
 * @since 0.1.0
 */
export type Measure = "throughput" | "cpu" | "p50" | "p99"

const measures: Readonly<Record<Measure, (report: Report) => number | undefined>> = {
  throughput: ({ events, seconds }) => events / seconds,
  cpu: ({ cpu, events }) => cpu / events,
  p50: ({ latency }) => latency?.p50,
  p99: ({ latency }) => latency?.p99
}

/**
 * The ratios of one contestant to another, by default to the baseline, one of each
 * round in which both got through.
 *
 * @category getters
 * @since 0.1.0
 */
export const ratios = (
  { rows, scenario }: Outcome,
  measure: Measure,
  contestant: string,
  to: string = Contestants.baseline[scenario.broker]
): ReadonlyArray<number> => {
  const valuesOf = (name: string) =>
    rows.find((row) => row.contestant === name)?.reports.map((report) => report && measures[measure](report)) ?? []
  const others = valuesOf(to)
  return valuesOf(contestant).flatMap((value, i) => {
    const other = others[i]
    return value === undefined || other === undefined ? [] : [value / other]
  })
}
