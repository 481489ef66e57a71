import { connect } from "amqp-connection-manager"
import type { ConsumeMessage } from "amqplib"
import { type Contestant, windowed } from "../Contestant.ts"
import * as Retry from "../Retry.ts"
import * as SampleEvent from "../SampleEvent.ts"

const open = async (url: string) => {
  const manager = connect([url], { connectionOptions: { noDelay: true } })
  await manager.connect()
  return manager
}

/** It does not hand on what is returned, so of a publish that no queue wants it knows only the confirm. */
export const connectionManager: Contestant = {
  package: "amqp-connection-manager",
  open: async ({ fails, handled, next, topology, scenario }) => {
    const publisher = await open(topology.url)
    const consumer = await open(topology.url)
    const publishing = publisher.createChannel({ confirm: true })
    await publishing.waitForConnect()
    const publishOne = async (): Promise<void> => {
      const { payload, routingKey } = next()
      const { content, id, timestamp } = SampleEvent.body(payload)
      await publishing.publish(topology.exchange, routingKey, content, SampleEvent.properties(id, timestamp))
    }
    return {
      publishOne,
      publish: windowed(publishOne),
      consume: async () => {
        for (const queue of topology.queues) {
          const channel = consumer.createChannel({ confirm: false })
          await channel.waitForConnect()
          const receive = async (message: ConsumeMessage): Promise<void> => {
            const wire = SampleEvent.parse(message.content)
            const attempt = Retry.attemptOf(message.properties.headers)
            if (fails(wire.payload, attempt)) {
              const { messageId: id, timestamp } = message.properties
              const failed = { wire, id, timestamp, routingKey: message.fields.routingKey, attempt }
              const { content, properties } = Retry.make(failed, topology, queue)
              await publishing.publish(topology.deadLetterExchange, queue.wait, content, properties)
            } else handled(wire.payload)
            channel.ack(message)
          }
          await channel.consume(queue.name, receive, { prefetch: scenario.prefetch })
        }
      },
      close: async () => {
        await publisher.close()
        await consumer.close()
      }
    }
  }
}
