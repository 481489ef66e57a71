import { AMQPClient, type AMQPProperties } from "@cloudamqp/amqp-client"
import { type Contestant, windowed } from "../Contestant.ts"
import * as Retry from "../Retry.ts"
import * as SampleEvent from "../SampleEvent.ts"

const open = async (url: string): Promise<AMQPClient> => {
  const client = new AMQPClient(url)
  await client.connect()
  client.socket?.setNoDelay(true)
  return client
}

const toProperties = (options: ReturnType<typeof SampleEvent.properties>): AMQPProperties => ({
  deliveryMode: 2,
  messageId: options.messageId ?? "",
  contentType: "application/json",
  priority: options.priority ?? 0,
  headers: options.headers ?? {},
  type: options.type ?? "",
  timestamp: new Date((options.timestamp ?? 0) * 1000),
  ...(options.expiration === undefined ? {} : { expiration: String(options.expiration) })
})

export const amqpClient: Contestant = {
  package: "@cloudamqp/amqp-client",
  open: async ({ fails, handled, next, topology, scenario }) => {
    const publisher = await open(topology.url)
    const consumer = await open(topology.url)
    const publishing = await publisher.channel()
    await publishing.confirmSelect()
    publishing.onReturn = () => {
      throw new Error("an event was returned")
    }
    const publishOne = async (): Promise<void> => {
      const { payload, routingKey } = next()
      const { content, id, timestamp } = SampleEvent.body(payload)
      const properties = toProperties(SampleEvent.properties(id, timestamp))
      await publishing.basicPublish(topology.exchange, routingKey, content, properties, true)
    }
    return {
      publishOne,
      publish: windowed(publishOne),
      consume: async () => {
        for (const queue of topology.queues) {
          const channel = await consumer.channel()
          await channel.basicQos(scenario.prefetch)
          await channel.basicConsume(queue.name, { noAck: false }, async (message) => {
            const wire = SampleEvent.parse(message.body ?? Buffer.alloc(0))
            const attempt = Retry.attemptOf(message.properties.headers)
            if (fails(wire.payload, attempt)) {
              const { messageId: id = "", timestamp } = message.properties
              const at = Math.floor(Number(timestamp ?? 0) / 1000)
              const failed = { wire, id, timestamp: at, routingKey: message.routingKey, attempt }
              const { content, properties } = Retry.make(failed, topology, queue)
              await publishing.basicPublish(
                topology.deadLetterExchange,
                queue.wait,
                content,
                toProperties(properties),
                true
              )
            } else handled(wire.payload)
            await message.ack()
          })
        }
      },
      close: async () => {
        await publisher.close()
        await consumer.close()
      }
    }
  }
}
