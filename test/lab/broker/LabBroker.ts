import type { BrokerNode } from "../../support/BrokerNode.ts"

/** The RabbitMQ that an experiment runs on. */
export interface LabBroker {
  /** The port of each node. */
  readonly ports: ReadonlyArray<number>
  /** Runs `rabbitmqctl` on the first node. */
  readonly ctl: (...args: ReadonlyArray<string>) => Promise<string>
}

/** A broker of one node, which faults may kill. */
export interface SingleNode extends LabBroker {
  readonly node: BrokerNode
}

/** A broker of three clustered nodes, which faults may kill. */
export interface Cluster extends LabBroker {
  readonly nodes: readonly [BrokerNode, BrokerNode, BrokerNode]
}

/** The user that the lab connects as. */
export const user = "lab"

/** The password of every user. The lab searches everything that the bus outputs for it. */
export const password = "pa55-of-the-lab"

/** Returns the URL of a node for a user. */
export const url = (port: number, login = user): string => `amqp://${login}:${password}@127.0.0.1:${port}`

/** Adds a user with all permissions. */
export const addUser = async ({ ctl }: LabBroker, login: string): Promise<void> => {
  await ctl("add_user", login, password)
  await ctl("set_permissions", login, ".*", ".*", ".*")
}
