import type { Cluster, SharedSite, SingleNode } from "../broker/LabBroker.ts"
import * as Scenario from "./FaultExperiment.ts"
import type { Fault } from "./InjectedFault.ts"
import type { Row } from "./ResultRow.ts"

/** What an experiment is given. */
export interface Env extends Scenario.Options {
  readonly single: SharedSite<SingleNode>
  readonly cluster: SharedSite<Cluster>
  /** The one schedule of frames to run, by its own seed. */
  readonly schedule?: number | undefined
}

/** One line of the table. Its name is what `--only` asks for. */
export interface Experiment {
  readonly name: string
  /** Has a broker of its own, in a process of its own: then it runs beside the others. */
  readonly isApart?: boolean
  readonly run: (env: Env) => Promise<Row>
}

/** A fault on the node that all of them share. */
export const onNode = (fault: Fault<SingleNode>): Experiment => ({
  name: fault.name,
  run: async (env) => Scenario.run(await env.single.get(), fault, env)
})

/** A fault on the cluster that all of them share. */
export const onCluster = (fault: Fault<Cluster>): Experiment => ({
  name: fault.name,
  run: async (env) => Scenario.run(await env.cluster.get(), fault, env)
})
