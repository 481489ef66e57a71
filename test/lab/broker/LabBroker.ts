import type { BrokerNode } from "../../support/BrokerNode.ts"
import * as BrokerNodes from "../../support/BrokerNodes.ts"
import { eventually } from "../../support/Deadline.ts"

/** The broker under a scenario: where it listens, and who tells it things. */
export interface Site {
  /** One for each node. */
  readonly ports: ReadonlyArray<number>
  readonly ctl: (...args: ReadonlyArray<string>) => Promise<string>
}

/** What the lab logs in as. The password is looked for in everything that the bus says. */
export const user = "lab"
export const password = "pa55-of-the-lab"

export const url = (port: number, login = user): string => `amqp://${login}:${password}@127.0.0.1:${port}`

export const addUser = async ({ ctl }: Site, login: string): Promise<void> => {
  await ctl("add_user", login, password)
  await ctl("set_permissions", login, ".*", ".*", ".*")
}

/** A site of one node, which the faults may kill. */
export interface SingleNode extends Site {
  readonly node: BrokerNode
}

/**
 * What a leader hands out, or hears acknowledged, while it is cut off from the node of a channel, may be lost between the
 * two: RabbitMQ takes it back when its patience with the channel ends, which is half an hour by default.
 */
const ackTimeout = 10_000

/** A site of three nodes, which are one broker. */
export interface Cluster extends Site {
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

const siteOf = (nodes: ReadonlyArray<BrokerNode>, first: BrokerNode): Site => ({
  ports: nodes.map(({ port }) => port),
  ctl: (...args) => first.ctl(...args)
})

/** The nodes that the faults share, one after the other. Whoever leaves one of them dead leaves new ones to the next. */
export class SharedSite<out S extends Site> {
  static single(): SharedSite<SingleNode> {
    return new SharedSite(async () => {
      const [node] = await BrokerNodes.startAll(1)
      if (node === undefined) throw new Error("A node is needed")
      return [[node], { ...siteOf([node], node), node }]
    })
  }

  static cluster(): SharedSite<Cluster> {
    return new SharedSite(async () => {
      const nodes = await BrokerNodes.startAll(3, { timeout: 120_000, config: [`consumer_timeout = ${ackTimeout}`] })
      const [first, second, third] = nodes
      if (first === undefined || second === undefined || third === undefined) throw new Error("Three nodes are needed")
      await eventually(60_000, () => seeEachOther(nodes))
      return [nodes, { ...siteOf(nodes, first), nodes: [first, second, third] }]
    })
  }

  readonly #start: () => Promise<readonly [nodes: ReadonlyArray<BrokerNode>, site: S]>
  #current: readonly [nodes: ReadonlyArray<BrokerNode>, site: S] | undefined

  private constructor(start: () => Promise<readonly [nodes: ReadonlyArray<BrokerNode>, site: S]>) {
    this.#start = start
  }

  async get(): Promise<S> {
    if (this.#current !== undefined) {
      const [nodes, site] = this.#current
      if (await isWhole(nodes)) return site
      await this.stop()
    }
    this.#current = await this.#start()
    const [, site] = this.#current
    await addUser(site, user)
    return site
  }

  async stop(): Promise<void> {
    const [nodes] = this.#current ?? [[]]
    this.#current = undefined
    await Promise.all(nodes.map((node) => node.stop()))
  }
}
