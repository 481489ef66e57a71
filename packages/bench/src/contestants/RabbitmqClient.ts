import { Connection } from "rabbitmq-client"
import { type Contestant, windowed } from "../Contestant.ts"
import * as Retry from "../Retry.ts"
import * as SampleEvent from "../SampleEvent.ts"

const open = async (url: string): Promise<Connection> => {
  const connection = new Connection({ url, noDelay: true })
  await connection.onConnect()
  return connection
}

export const rabbitmqClient: Contestant = {
  package: "rabbitmq-client",
  open: async ({ fails, handled, next, topology, scenario }) => {
    const publisher = await open(topology.url)
    const consumer = await open(topology.url)
    const publishing = publisher.createPublisher({
      confirm: true,
      onReturn: () => {
        throw new Error("an event was returned")
      }
    })
    const send = (
      exchange: string,
      routingKey: string,
      content: Buffer,
      options: ReturnType<typeof SampleEvent.properties>
    ) => {
      const { expiration, persistent: _, ...properties } = options
      const ttl = expiration === undefined ? {} : { expiration: String(expiration) }
      return publishing.send({ exchange, routingKey, durable: true, ...properties, ...ttl }, content)
    }
    const publishOne = (): Promise<void> => {
      const { payload, routingKey } = next()
      const { content, id, timestamp } = SampleEvent.body(payload)
      return send(topology.exchange, routingKey, content, SampleEvent.properties(id, timestamp))
    }
    return {
      publishOne,
      publish: windowed(publishOne),
      consume: async () => {
        for (const queue of topology.queues) {
          // It parses the bodies of this content type itself.
          const receiving = consumer.createConsumer(
            { queue: queue.name, queueOptions: { passive: true }, qos: { prefetchCount: scenario.prefetch } },
            async ({ body: wire, headers, messageId: id = "", routingKey, timestamp = 0 }) => {
              const attempt = Retry.attemptOf(headers)
              if (!fails(wire.payload, attempt)) return handled(wire.payload)
              const { content, properties } = Retry.make({ wire, id, timestamp, routingKey, attempt }, topology, queue)
              await send(topology.deadLetterExchange, queue.wait, content, properties)
            }
          )
          await new Promise<void>((resolve) => receiving.on("ready", resolve))
        }
      },
      close: async () => {
        publisher.unsafeDestroy()
        consumer.unsafeDestroy()
      }
    }
  }
}
