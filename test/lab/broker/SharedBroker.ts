import type { BrokerNode } from "../../support/BrokerNode.ts"
import * as BrokerNodes from "../../support/BrokerNodes.ts"
import { retryFor } from "../../support/Deadline.ts"
import { addUser, user } from "./LabBroker.ts"
import type { Cluster, LabBroker, SingleNode } from "./LabBroker.ts"

/**
 * While a leader cannot reach the node of a channel, a delivery or an acknowledgement between the two may be lost. RabbitMQ
 * requeues such a delivery only when its acknowledgement timeout ends, which is half an hour by default.
 */
const ackTimeout = 10_000

const awaitEachOther = (nodes: ReadonlyArray<BrokerNode>) =>
  Promise.all(nodes.map((node) => node.ctl("await_online_nodes", `${nodes.length}`, "-t", "5")))

/** Returns whether every node sees every other node. */
export const isWhole = (nodes: ReadonlyArray<BrokerNode>): Promise<boolean> =>
  awaitEachOther(nodes).then(
    () => true,
    () => false
  )

const brokerOf = (nodes: ReadonlyArray<BrokerNode>, first: BrokerNode): LabBroker => ({
  ports: nodes.map(({ port }) => port),
  ctl: (...args) => first.ctl(...args)
})

type Started<B> = readonly [nodes: ReadonlyArray<BrokerNode>, broker: B]

/** A broker that experiments use one after the other. When a fault has left a node dead, the next experiment gets a new one. */
export class SharedBroker<out B extends LabBroker> {
  static single(): SharedBroker<SingleNode> {
    return new SharedBroker(async () => {
      const [node] = await BrokerNodes.startAll(1)
      if (node === undefined) throw new Error("A node is needed")
      return [[node], { ...brokerOf([node], node), node }]
    })
  }

  static cluster(): SharedBroker<Cluster> {
    return new SharedBroker(async () => {
      const nodes = await BrokerNodes.startAll(3, { timeout: 120_000, config: [`consumer_timeout = ${ackTimeout}`] })
      const [first, second, third] = nodes
      if (first === undefined || second === undefined || third === undefined) throw new Error("Three nodes are needed")
      await retryFor(60_000, () => awaitEachOther(nodes))
      return [nodes, { ...brokerOf(nodes, first), nodes: [first, second, third] }]
    })
  }

  readonly #start: () => Promise<Started<B>>
  #current: Started<B> | undefined

  private constructor(start: () => Promise<Started<B>>) {
    this.#start = start
  }

  /** Returns the running broker, or starts one. */
  async get(): Promise<B> {
    if (this.#current !== undefined) {
      const [nodes, broker] = this.#current
      if (await isWhole(nodes)) return broker
      await this.stop()
    }
    this.#current = await this.#start()
    const [, broker] = this.#current
    await addUser(broker, user)
    return broker
  }

  async stop(): Promise<void> {
    const [nodes] = this.#current ?? [[]]
    this.#current = undefined
    await Promise.all(nodes.map((node) => node.stop()))
  }
}
