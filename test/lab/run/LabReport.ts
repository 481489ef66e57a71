import { within } from "../../support/Deadline.ts"
import { SharedBroker } from "../broker/SharedBroker.ts"
import type { Environment, Experiment } from "../experiments/Experiment.ts"
import * as ResultRow from "../experiments/ResultRow.ts"

type Options = Pick<Environment, "seed" | "patience" | "schedule">

/** The time limit in milliseconds of an experiment that names none. */
const usualLimit = 300_000

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

/** The results of a run of the lab. */
export class LabReport {
  /** Runs experiments one after the other and prints each result. Those with a broker of their own run at the same time. */
  static async run(experiments: ReadonlyArray<Experiment>, options: Options): Promise<LabReport> {
    const { seed } = options
    const [single, cluster] = [SharedBroker.single(), SharedBroker.cluster()]
    const started = Date.now()
    const rows = new Map<Experiment, ResultRow.ResultRow>()
    let begun = 0
    const perform = async (experiment: Experiment): Promise<void> => {
      const { name, run, timeLimit = usualLimit } = experiment
      const since = Date.now()
      const count = `[${++begun}/${experiments.length}]`
      const progress = (phase: string): void => {
        // A terminal shows the phase in a line that is overwritten. A log file gets no line for each phase.
        if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${count} ${name}: ${phase}`)
      }
      if (!process.stderr.isTTY) process.stderr.write(`${count} ${name}\n`)
      progress("starting")
      const row = await within(timeLimit, name, run({ ...options, single, cluster, progress })).catch(
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
    const inspected = all.reduce((sum, row) => sum + row.inspected, 0)
    console.log(`\nSearched ${inspected} log lines, spans, errors and health reports for the password.`)
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
