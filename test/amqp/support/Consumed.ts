import type { ConsumeMessage } from "amqplib"

/** A message as amqplib hands it out, of which only what matters need be said. */
export const consumed = ({
  content = new Uint8Array(),
  deliveryTag = 1,
  properties = {},
  routingKey = "key"
}: {
  readonly content?: Uint8Array | undefined
  readonly deliveryTag?: number | undefined
  readonly properties?: object | undefined
  readonly routingKey?: string | undefined
}): ConsumeMessage => ({
  content: Buffer.from(content),
  fields: { consumerTag: "tag", deliveryTag, redelivered: false, exchange: "events", routingKey },
  properties: {
    contentType: undefined,
    contentEncoding: undefined,
    headers: undefined,
    deliveryMode: undefined,
    priority: undefined,
    correlationId: undefined,
    replyTo: undefined,
    expiration: undefined,
    messageId: undefined,
    timestamp: undefined,
    type: undefined,
    userId: undefined,
    appId: undefined,
    clusterId: undefined,
    ...properties
  }
})
