import { within } from "../../support/Deadline.ts"
import { SharedBroker } from "../broker/LabBroker.ts"
import type { Environment, Experiment } from "../experiments/Experiment.ts"
import * as ResultRow from "../experiments/ResultRow.ts"

type Options = Pick<Environment, "seed" | "patience" | "schedule">

/** No experiment may take longer, whatever happens. */
const longest = 300_000

const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(0)} s`

const print = (row: ResultRow.ResultRow): void => {
  console.log(ResultRow.line(row))
  if (row.log.length > 0)
    console.log(
      row.log
        .slice(-40)
        .map((line) => `      ${line}`)
        .join("\n")
    )
}

/** What came of a run of the lab. */
export class LabReport {
  /** Runs experiments one after the other, and beside them those that have a broker of their own. Says how it goes. */
  static async run(experiments: ReadonlyArray<Experiment>, options: Options): Promise<LabReport> {
    const { seed } = options
    const [single, cluster] = [SharedBroker.single(), SharedBroker.cluster()]
    const started = Date.now()
    const rows = new Map<Experiment, ResultRow.ResultRow>()
    let begun = 0
    const perform = async (experiment: Experiment): Promise<void> => {
      const { name, run } = experiment
      const since = Date.now()
      const count = `[${++begun}/${experiments.length}]`
      const progress = (phase: string): void => {
        // On a terminal one line says what goes on now; elsewhere a line for each phase would only be noise.
        if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${count} ${name}: ${phase}`)
      }
      if (!process.stderr.isTTY) process.stderr.write(`${count} ${name}\n`)
      progress("starting")
      const row = await within(longest, name, run({ ...options, single, cluster, progress })).catch(
        (error: unknown) => ({
          ...ResultRow.empty,
          fault: name,
          seed,
          took_ms: Date.now() - since,
          breaches: [error instanceof Error ? `${error.stack}` : String(error)]
        })
      )
      rows.set(experiment, row)
      if (process.stderr.isTTY) process.stderr.write("\r\u001b[K")
      print(row)
    }
    const performAll = async (some: ReadonlyArray<Experiment>): Promise<void> => {
      for (const experiment of some) await perform(experiment)
    }
    try {
      await Promise.all([
        performAll(experiments.filter(({ runsAside }) => runsAside !== true)),
        performAll(experiments.filter(({ runsAside }) => runsAside === true))
      ])
    } finally {
      await Promise.all([single.stop(), cluster.stop()])
    }
    const all = experiments.flatMap((experiment) => rows.get(experiment) ?? [])
    const said = all.reduce((sum, row) => sum + row.inspected, 0)
    console.log(`\nThe password is in none of ${said} log lines, spans, errors and answers, or a row above says so.`)
    console.log(`seed=${seed} took=${seconds(started)}`)
    return new LabReport(seed, all)
  }

  readonly seed: number
  readonly rows: ReadonlyArray<ResultRow.ResultRow>

  private constructor(seed: number, rows: ReadonlyArray<ResultRow.ResultRow>) {
    this.seed = seed
    this.rows = rows
  }

  get isGood(): boolean {
    return this.rows.every(ResultRow.holds)
  }

  get table(): string {
    return ResultRow.table(this.rows)
  }

  get json(): unknown {
    return { seed: this.seed, rows: this.rows }
  }
}
