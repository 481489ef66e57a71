/**
 * The RabbitMQ that the bench runs against.
 *
 * @since 0.1.0
 */

import { brokerVersion } from "../../../test/support/BrokerVersion.ts"
import { RabbitNode } from "../../../test/support/RabbitNode.ts"

/**
 * A running RabbitMQ, and how to stop it.
 *
 * @category models
 * @since 0.1.0
 */
export interface BenchBroker {
  readonly url: string
  readonly version: string
  readonly stop: () => Promise<void>
}

/**
 * Connects to the broker that `BENCH_RABBITMQ_URL` or `TEST_RABBITMQ_URL` names. Without
 * these variables it starts a private node from the system's package, as the tests do.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = async (): Promise<BenchBroker> => {
  const url = process.env["BENCH_RABBITMQ_URL"] || process.env["TEST_RABBITMQ_URL"]
  if (url) return { url, version: await brokerVersion(url, 10_000), stop: async () => {} }
  if (RabbitNode.find() === undefined) {
    throw new Error("The bench needs a RabbitMQ: `apt-get install rabbitmq-server`, or set BENCH_RABBITMQ_URL")
  }
  const node = await RabbitNode.start()
  return { url: node.url, version: node.version, stop: () => node.stop() }
}
