import type { Cluster, SharedBroker, SingleNode } from "../broker/LabBroker.ts"
import * as FaultExperiment from "./FaultExperiment.ts"
import type { InjectedFault } from "./InjectedFault.ts"
import type { ResultRow } from "./ResultRow.ts"

/** What an experiment is given. */
export interface Environment extends FaultExperiment.Options {
  readonly single: SharedBroker<SingleNode>
  readonly cluster: SharedBroker<Cluster>
  /** The one schedule of frames to run, by its own seed. */
  readonly schedule?: number | undefined
}

/** One line of the table. Its name is what `--only` asks for. */
export interface Experiment {
  readonly name: string
  /** Has a broker of its own, in a process of its own: then it runs beside the others. */
  readonly runsAside?: boolean
  readonly run: (env: Environment) => Promise<ResultRow>
}

/** A fault on the node that all of them share. */
export const onNode = (fault: InjectedFault<SingleNode>): Experiment => ({
  name: fault.name,
  run: async (env) => FaultExperiment.run(await env.single.get(), fault, env)
})

/** A fault on the cluster that all of them share. */
export const onCluster = (fault: InjectedFault<Cluster>): Experiment => ({
  name: fault.name,
  run: async (env) => FaultExperiment.run(await env.cluster.get(), fault, env)
})
