import { channel } from "../catalogue/channel.ts"
import { cluster } from "../catalogue/cluster.ts"
import { flow } from "../catalogue/flow.ts"
import { limits } from "../catalogue/limits.ts"
import { network } from "../catalogue/network.ts"
import { node } from "../catalogue/node.ts"
import { ordered } from "../catalogue/ordered.ts"
import { process } from "../catalogue/process.ts"
import { refusals } from "../catalogue/refusals.ts"
import { requests } from "../catalogue/requests.ts"
import { start } from "../catalogue/start.ts"
import { topology } from "../catalogue/topology.ts"
import type { Experiment } from "../experiments/Experiment.ts"
import { onCluster, onNode } from "../experiments/FaultExperiment.ts"
import * as FrameExperiment from "../experiments/FrameExperiment.ts"
import * as OrderedExperiment from "../experiments/OrderedExperiment.ts"
import * as ProcessExperiment from "../experiments/ProcessExperiment.ts"
import * as RequestExperiment from "../experiments/RequestExperiment.ts"
import { mutants } from "../mutants/Mutant.ts"
import * as MutantExperiment from "../mutants/MutantExperiment.ts"

const faults = [...network, ...node, ...channel, ...topology, ...limits, ...refusals, ...flow].map(onNode)

/** All experiments, in the order in which they run. */
export const all: ReadonlyArray<Experiment> = [
  ...start,
  ...faults,
  ...process.map(ProcessExperiment.experiment),
  ...requests.map(RequestExperiment.experiment),
  ...ordered.map(OrderedExperiment.experiment),
  ...cluster.map(onCluster),
  FrameExperiment.experiment(1000),
  ...mutants.map(MutantExperiment.experiment)
]

// The tests of the amqp package already kill a broker.
const short = new Set(["rst", "queue-deleted"])

/** The experiments that are part of `npm test`. */
export const quick: ReadonlyArray<Experiment> = [
  ...faults.filter(({ name }) => short.has(name)),
  FrameExperiment.experiment(30),
  ...mutants.filter(({ name }) => name === "returns-ignored").map(MutantExperiment.experiment)
]
