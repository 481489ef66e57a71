import rascalModule, { type OnMessage } from "rascal"
import type { BenchTopology } from "../BenchTopology.ts"
import { type Contestant, windowed } from "../Contestant.ts"
import * as Retry from "../Retry.ts"
import * as SampleEvent from "../SampleEvent.ts"

/** It holds a channel for each publish until that is confirmed: so many it may have, instead of its default of 5. */
const channels = 90

/** It publishes and consumes in a virtual host of its own each, for then it has a connection for each. */
const vhost = (url: string, more: object) => ({
  connection: { url, socketOptions: { noDelay: true } },
  publicationChannelPools: { confirmPool: { max: channels, min: 1 } },
  ...more
})

const config = (topology: BenchTopology, prefetch: number) => ({
  vhosts: {
    publishing: vhost(topology.url, {
      exchanges: Object.fromEntries(
        [topology.exchange, topology.deadLetterExchange].map((name) => [name, { assert: false }])
      ),
      publications: {
        orders: { exchange: topology.exchange, confirm: true },
        retries: { exchange: topology.deadLetterExchange, confirm: true }
      }
    }),
    consuming: vhost(topology.url, {
      queues: Object.fromEntries(topology.queues.map(({ name }) => [name, { assert: false }])),
      subscriptions: Object.fromEntries(topology.queues.map(({ name }) => [name, { queue: name, prefetch }]))
    })
  }
})

export const rascal: Contestant = {
  package: "rascal",
  open: async ({ fails, handled, next, topology, scenario }) => {
    const broker = await rascalModule.BrokerAsPromised.create(config(topology, scenario.prefetch))
    broker.on("error", (error) => {
      throw error
    })
    const send = async (
      publication: string,
      routingKey: string,
      content: Buffer,
      options: ReturnType<typeof SampleEvent.properties>
    ) => {
      const publishing = await broker.publish(publication, content, { routingKey, options })
      await new Promise<void>((resolve, reject) => {
        publishing.on("success", () => resolve())
        publishing.on("error", reject)
        publishing.on("return", () => reject(new Error("an event was returned")))
      })
    }
    const publishOne = (): Promise<void> => {
      const { payload, routingKey } = next()
      const { content, id, timestamp } = SampleEvent.body(payload)
      return send("orders", routingKey, content, SampleEvent.properties(id, timestamp))
    }
    return {
      publishOne,
      publish: windowed(publishOne),
      consume: async () => {
        for (const queue of topology.queues) {
          const receive: OnMessage = async (message, _, ackOrNack) => {
            const wire = SampleEvent.parse(message.content)
            const attempt = Retry.attemptOf(message.properties.headers)
            if (fails(wire.payload, attempt)) {
              const { messageId: id, timestamp } = message.properties
              const failed = { wire, id, timestamp, routingKey: message.fields.routingKey, attempt }
              const { content, properties } = Retry.make(failed, topology, queue)
              await send("retries", queue.wait, content, properties)
            } else handled(wire.payload)
            ackOrNack()
          }
          const receiving = await broker.subscribe(queue.name)
          receiving.on("message", receive).on("error", (error) => {
            throw error
          })
        }
      },
      close: () => broker.shutdown()
    }
  }
}
