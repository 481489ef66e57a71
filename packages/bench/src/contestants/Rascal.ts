import rascalModule, { type OnMessage } from "rascal"
import type { Place } from "../BenchTopology.ts"
import { type Contestant, windowed } from "../Contestant.ts"
import * as Retry from "../Retry.ts"
import * as Order from "../SampleEvent.ts"

/** It holds a channel for each publish until that is confirmed: so many it may have, instead of its default of 5. */
const channels = 90

/** It publishes and consumes in a virtual host of its own each, for then it has a connection for each. */
const vhost = (url: string, more: object) => ({
  connection: { url, socketOptions: { noDelay: true } },
  publicationChannelPools: { confirmPool: { max: channels, min: 1 } },
  ...more
})

const config = (place: Place, prefetch: number) => ({
  vhosts: {
    publishing: vhost(place.url, {
      exchanges: Object.fromEntries(
        [place.exchange, place.deadLetterExchange].map((name) => [name, { assert: false }])
      ),
      publications: {
        orders: { exchange: place.exchange, confirm: true },
        retries: { exchange: place.deadLetterExchange, confirm: true }
      }
    }),
    consuming: vhost(place.url, {
      queues: Object.fromEntries(place.queues.map(({ name }) => [name, { assert: false }])),
      subscriptions: Object.fromEntries(place.queues.map(({ name }) => [name, { queue: name, prefetch }]))
    })
  }
})

export const rascal: Contestant = {
  package: "rascal",
  open: async ({ fails, handled, next, place, scenario }) => {
    const broker = await rascalModule.BrokerAsPromised.create(config(place, scenario.prefetch))
    broker.on("error", (error) => {
      throw error
    })
    const send = async (
      publication: string,
      routingKey: string,
      content: Buffer,
      options: ReturnType<typeof Order.properties>
    ) => {
      const publishing = await broker.publish(publication, content, { routingKey, options })
      await new Promise<void>((resolve, reject) => {
        publishing.on("success", () => resolve())
        publishing.on("error", reject)
        publishing.on("return", () => reject(new Error("an order was returned")))
      })
    }
    const publishOne = (): Promise<void> => {
      const { payload, routingKey } = next()
      const { content, id, timestamp } = Order.body(payload)
      return send("orders", routingKey, content, Order.properties(id, timestamp))
    }
    return {
      publishOne,
      publish: windowed(publishOne),
      consume: async () => {
        for (const queue of place.queues) {
          const receive: OnMessage = async (message, _, ackOrNack) => {
            const wire = Order.parse(message.content)
            const attempt = Retry.attemptOf(message.properties.headers)
            if (fails(wire.payload, attempt)) {
              const { messageId: id, timestamp } = message.properties
              const failed = { wire, id, timestamp, routingKey: message.fields.routingKey, attempt }
              const { content, properties } = Retry.make(failed, place, queue)
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
