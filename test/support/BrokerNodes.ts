import type { BrokerNode, Options } from "./BrokerNode.ts"
import { DockerNode } from "./DockerNode.ts"
import { RabbitNode } from "./RabbitNode.ts"

const image = process.env["TEST_RABBITMQ_IMAGE"]

/** Whether there is anything to start nodes from. */
export const isPossible: boolean = Boolean(image) || RabbitNode.find() !== undefined

/** Tells the developer how to make it possible. */
export const advice =
  "`apt-get install rabbitmq-server`, or name its folder (TEST_RABBITMQ_HOME) or an image for Docker (TEST_RABBITMQ_IMAGE)"

/** Starts nodes that make one cluster: in Docker where `TEST_RABBITMQ_IMAGE` names an image, else from a package. */
export const startAll = (count: number, options: Options = {}): Promise<ReadonlyArray<BrokerNode>> =>
  image ? DockerNode.startAll(image, count, options) : RabbitNode.startAll(count, options)
