import { randomUUID } from "node:crypto"
import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import * as AmqpTopology from "@effect-eventbus/amqp/AmqpTopology"
import type { ChannelModel, ConfirmChannel } from "amqplib"
import type { Session, Stage } from "../Contestant.ts"
import * as SampleEvent from "../SampleEvent.ts"
import { requestTimeout } from "../Scenario.ts"

/** The time that the queue of replies outlives a lost connection, in milliseconds. */
const reconnectWithin = 60_000

const confirm = (confirmed: () => void) => (error: unknown) => {
  if (error) throw error
  confirmed()
}

/** Consumes the replies on a queue that outlives the connection, as that of the bus does. */
const openReplies = async (
  consumer: ChannelModel,
  { topology }: Stage,
  onReply: (correlationId: unknown, body: string) => void
) => {
  const queue = `reply.${randomUUID()}`
  const channel = await consumer.createChannel()
  const declaration = AmqpTopology.workQueue(
    {
      name: queue,
      patterns: [],
      concurrency: undefined,
      deadLetterQueue: undefined,
      messageTtl: undefined,
      priorities: false,
      temporary: true,
      reconnectWithin
    },
    AmqpOptions.settings(topology.options)
  )
  await channel.assertQueue(queue, { durable: declaration.durable, arguments: declaration.arguments })
  await channel.prefetch(1000, false)
  await channel.consume(queue, (message) => {
    if (message === null) return
    onReply(message.properties.correlationId, message.content.toString())
    channel.ack(message)
  })
  return { queue, remove: () => channel.deleteQueue(queue) }
}

/**
 * A session of requests in raw amqplib, which does by hand what the bus does: every
 * publish is mandatory and confirmed, each request has a timeout and a deadline, and is
 * acknowledged when its reply is safe.
 */
export const open = async (
  stage: Stage,
  publishing: ConfirmChannel,
  consumer: ChannelModel,
  close: () => Promise<void>
): Promise<Session> => {
  const { handled, next, scenario, topology } = stage
  const waiting = new Map<string, (body: string) => void>()
  const replies = await openReplies(consumer, stage, (correlationId, body) =>
    waiting.get(String(correlationId))?.(body)
  )
  let count = 0

  const requestOne = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const correlationId = `${++count}`
      const timer = setTimeout(() => {
        waiting.delete(correlationId)
        reject(new Error("no reply came in time"))
      }, requestTimeout)
      const { payload, routingKey } = next()
      waiting.set(correlationId, (body) => {
        clearTimeout(timer)
        waiting.delete(correlationId)
        const { success } = JSON.parse(body).payload
        if (!Number.isInteger(success.cents)) throw new Error("the reply is not the one that was asked for")
        handled(payload)
        resolve()
      })
      const { content, id, timestamp } = SampleEvent.body(payload, requestTimeout / 1000)
      const properties = { ...SampleEvent.properties(id, timestamp), replyTo: replies.queue, correlationId }
      publishing.publish(
        topology.exchange,
        routingKey,
        content,
        properties,
        confirm(() => {})
      )
    })

  return {
    publish: async (count, inFlight) => {
      let left = count
      const lane = async () => {
        while (left-- > 0) await requestOne()
      }
      await Promise.all(Array.from({ length: inFlight }, lane))
    },
    publishOne: requestOne,
    consume: async () => {
      for (const { name } of topology.queues) {
        const channel = await consumer.createChannel()
        await channel.prefetch(scenario.prefetch, false)
        await channel.consume(name, (message) => {
          if (message === null) return
          const { payload, timestamp, ttl_seconds: ttl } = SampleEvent.parse(message.content)
          if (ttl !== null && Date.parse(timestamp) + ttl * 1000 < Date.now()) return channel.ack(message)
          const { correlationId, replyTo } = message.properties
          publishing.publish(
            "",
            replyTo,
            Buffer.from(JSON.stringify({ payload: { success: SampleEvent.answer(payload) } })),
            { ...SampleEvent.properties(randomUUID(), Date.now()), correlationId },
            confirm(() => channel.ack(message))
          )
        })
      }
    },
    close: async () => {
      await replies.remove()
      await close()
    }
  }
}
