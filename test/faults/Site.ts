import { RabbitNode } from "../support/RabbitNode.ts"

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

/**
 * What a quorum queue could not dead-letter, because its exchange or the next queue was gone, it tries again after three
 * minutes. Nothing else of the lab takes so long.
 */
const hasty = "application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 2000)."

/** A site of one node, which the faults may kill. */
export interface SingleNode extends Site {
  readonly node: RabbitNode
}

/** A site of three nodes, which are one broker. */
export interface Cluster extends Site {
  readonly nodes: readonly [RabbitNode, RabbitNode, RabbitNode]
}

const tell = (nodes: ReadonlyArray<RabbitNode>, ...args: ReadonlyArray<string>): Promise<ReadonlyArray<string>> =>
  Promise.all(nodes.map((node) => node.ctl(...args)))

const siteOf = (nodes: ReadonlyArray<RabbitNode>, first: RabbitNode): Site => ({
  ports: nodes.map(({ port }) => port),
  ctl: first.ctl.bind(first)
})

/** The nodes that the faults share, one after the other. Whoever leaves one of them dead leaves new ones to the next. */
export class SharedSite<out S extends Site> {
  static single(): SharedSite<SingleNode> {
    return new SharedSite(async () => {
      const node = await RabbitNode.start()
      return [[node], { ...siteOf([node], node), node }]
    })
  }

  static cluster(): SharedSite<Cluster> {
    return new SharedSite(async () => {
      const nodes = await RabbitNode.startAll(3, { timeout: 120_000 })
      const [first, second, third] = nodes
      if (first === undefined || second === undefined || third === undefined) throw new Error("Three nodes are needed")
      await first.ctl("await_online_nodes", "3", "-t", "60")
      return [nodes, { ...siteOf(nodes, first), nodes: [first, second, third] }]
    })
  }

  readonly #start: () => Promise<readonly [nodes: ReadonlyArray<RabbitNode>, site: S]>
  #current: readonly [nodes: ReadonlyArray<RabbitNode>, site: S] | undefined

  private constructor(start: () => Promise<readonly [nodes: ReadonlyArray<RabbitNode>, site: S]>) {
    this.#start = start
  }

  async get(): Promise<S> {
    if (this.#current !== undefined) {
      const [nodes, site] = this.#current
      const live = await tell(nodes, "eval", hasty).then(
        () => true,
        () => false
      )
      if (live) return site
      await this.stop()
    }
    this.#current = await this.#start()
    const [nodes, site] = this.#current
    await tell(nodes, "eval", hasty)
    await addUser(site, user)
    return site
  }

  async stop(): Promise<void> {
    const [nodes] = this.#current ?? [[]]
    this.#current = undefined
    await Promise.all(nodes.map((node) => node.stop()))
  }
}
