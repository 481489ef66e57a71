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

/** The one node that the faults share, one after the other. Whoever leaves it dead leaves a new one to the next. */
export class SharedNode {
  #current: SingleNode | undefined

  async get(): Promise<SingleNode> {
    const current = this.#current
    if (current !== undefined) {
      const lives = await current.ctl("eval", hasty).then(
        () => true,
        () => false
      )
      if (lives) return current
      await this.stop()
    }
    const node = await RabbitNode.start()
    const site = { node, ports: [node.port], ctl: node.ctl.bind(node) }
    this.#current = site
    await site.ctl("eval", hasty)
    await addUser(site, user)
    return site
  }

  async stop(): Promise<void> {
    const current = this.#current
    this.#current = undefined
    await current?.node.stop()
  }
}
