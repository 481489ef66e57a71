import type { Cluster, SingleNode } from "../broker/LabBroker.ts"
import type { SharedBroker } from "../broker/SharedBroker.ts"
import type { ResultRow } from "./ResultRow.ts"

/** The settings of a run of the lab. */
export interface Options {
  readonly seed: number
  /** The factor for all time limits. A bus that is broken on purpose is found out in less than the usual time. */
  readonly patience?: number | undefined
  /** The seed of the one schedule of frames to run, instead of all of them. */
  readonly schedule?: number | undefined
}

/** Everything that an experiment is given. */
export interface Environment extends Options {
  readonly single: SharedBroker<SingleNode>
  readonly cluster: SharedBroker<Cluster>
  /** Called with the name of each phase as it begins. */
  readonly progress?: (phase: string) => void
}

/** One row of the results. `--only` selects it by its name. */
export interface Experiment {
  readonly name: string
  /** Whether it runs at the same time as the others, because it has a process and a broker of its own. */
  readonly runsAside?: boolean
  /** The time limit in milliseconds. Default: five minutes. */
  readonly timeLimit?: number
  readonly run: (environment: Environment) => Promise<ResultRow>
}
