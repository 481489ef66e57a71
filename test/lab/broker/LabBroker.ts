import type { BrokerNode } from "../../support/BrokerNode.ts"
import * as BrokerNodes from "../../support/BrokerNodes.ts"
import { retryFor } from "../../support/Deadline.ts"

/** The broker under a scenario: where it listens, and who tells it things. */
export interface LabBroker {
  /** One for each node. */
  readonly ports: ReadonlyArray<number>
  readonly ctl: (...args: ReadonlyArray<string>) => Promise<string>
}

/** What the lab logs in as. The password is looked for in everything that the bus says. */
export const user = "lab"
export const password = "pa55-of-the-lab"

export const url = (port: number, login = user): string => `amqp://${login}:${password}@127.0.0.1:${port}`

export const addUser = async ({ ctl }: LabBroker, login: string): Promise<void> => {
  await ctl("add_user", login, password)
  await ctl("set_permissions", login, ".*", ".*", ".*")
}

/** A broker of one node, which the faults may kill. */
export interface SingleNode extends LabBroker {
  readonly node: BrokerNode
}

/**
 * What a leader hands out, or hears acknowledged, while it is cut off from the node of a channel, may be lost between the
 * two: RabbitMQ takes it back when its patience with the channel ends, which is half an hour by default.
 */
const ackTimeout = 10_000

/** A broker of three nodes, which are one broker. */
export interface Cluster extends LabBroker {
  readonly nodes: readonly [BrokerNode, BrokerNode, BrokerNode]
}

const tell = (nodes: ReadonlyArray<BrokerNode>, ...args: ReadonlyArray<string>): Promise<ReadonlyArray<string>> =>
  Promise.all(nodes.map((node) => node.ctl(...args)))

const seeEachOther = (nodes: ReadonlyArray<BrokerNode>) =>
  tell(nodes, "await_online_nodes", `${nodes.length}`, "-t", "5")

/** Whether every node sees every node. */
export const isWhole = (nodes: ReadonlyArray<BrokerNode>): Promise<boolean> =>
  seeEachOther(nodes).then(
    () => true,
    () => false
  )

const brokerOf = (nodes: ReadonlyArray<BrokerNode>, first: BrokerNode): LabBroker => ({
  ports: nodes.map(({ port }) => port),
  ctl: (...args) => first.ctl(...args)
})

/** The nodes that the faults share, one after the other. Whoever leaves one of them dead leaves new ones to the next. */
export class SharedBroker<out S extends LabBroker> {
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
      await retryFor(60_000, () => seeEachOther(nodes))
      return [nodes, { ...brokerOf(nodes, first), nodes: [first, second, third] }]
    })
  }

  readonly #start: () => Promise<readonly [nodes: ReadonlyArray<BrokerNode>, broker: S]>
  #current: readonly [nodes: ReadonlyArray<BrokerNode>, broker: S] | undefined

  private constructor(start: () => Promise<readonly [nodes: ReadonlyArray<BrokerNode>, broker: S]>) {
    this.#start = start
  }

  async get(): Promise<S> {
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
