import { type Channel, type ChannelModel, type ConfirmChannel, type ConsumeMessage, connect } from "amqplib"
import { AmqpAcknowledger } from "../../../amqp/src/internal/AmqpAcknowledger.ts"
import type { Contestant } from "../Contestant.ts"
import * as Retry from "../Retry.ts"
import * as SampleEvent from "../SampleEvent.ts"
import * as RawBatch from "./RawBatch.ts"
import * as RawOrdered from "./RawOrdered.ts"
import * as RawRequest from "./RawRequest.ts"

const open = async (url: string): Promise<ChannelModel> => {
  const model = await connect(url, { noDelay: true })
  model.on("error", (error) => {
    throw error
  })
  return model
}

const openConfirm = async (model: ChannelModel): Promise<ConfirmChannel> => {
  const channel = await model.createConfirmChannel()
  channel.on("return", () => {
    throw new Error("an event was returned")
  })
  return channel
}

interface Settling {
  readonly add: (message: ConsumeMessage) => void
  readonly ack: (message: ConsumeMessage) => void
}

const twin = (settlingOf: (channel: Channel) => Settling): Contestant => ({
  package: "amqplib",
  open: async (stage) => {
    const { fails, handled, next, topology, scenario } = stage
    const publisher = await open(topology.url)
    const consumer = await open(topology.url)
    const publishing = await openConfirm(publisher)
    const close = async () => {
      await publisher.close()
      await consumer.close()
    }
    if (scenario.work === "request") return RawRequest.open(stage, publishing, consumer, close)
    const confirm = (confirmed: () => void) => (error: unknown) => {
      if (error) throw error
      confirmed()
    }
    const send = (confirmed: () => void): void => {
      const { payload, routingKey } = next()
      const { content, id, timestamp } = SampleEvent.body(payload)
      publishing.publish(
        scenario.delay > 0 ? topology.later : topology.exchange,
        routingKey,
        content,
        SampleEvent.properties(id, timestamp),
        confirm(confirmed)
      )
    }
    return {
      publish: (count, inFlight) =>
        new Promise((resolve) => {
          let sent = 0
          let confirmed = 0
          const pump = (): void => {
            while (sent < count && sent - confirmed < inFlight) {
              sent += 1
              send(() => {
                confirmed += 1
                if (confirmed === count) resolve()
                else pump()
              })
            }
          }
          pump()
        }),
      publishOne: () => new Promise(send),
      consume: async () => {
        for (const queue of topology.queues) {
          const channel = await consumer.createChannel()
          if (scenario.batch > 1) {
            await RawBatch.consume(channel, queue.name, stage)
            continue
          }
          if (scenario.keys > 0) {
            await RawOrdered.consume(channel, queue.name, stage)
            continue
          }
          await channel.prefetch(scenario.prefetch, false)
          const settling = settlingOf(channel)
          await channel.consume(queue.name, (message) => {
            if (message === null) return
            settling.add(message)
            const wire = SampleEvent.parse(message.content)
            const attempt = Retry.attemptOf(message.properties.headers)
            if (fails(wire.payload, attempt)) {
              const { messageId: id, timestamp } = message.properties
              const failed = { wire, id, timestamp, routingKey: message.fields.routingKey, attempt }
              const { content, properties } = Retry.make(failed, topology, queue)
              publishing.publish(
                topology.deadLetterExchange,
                queue.wait,
                content,
                properties,
                confirm(() => settling.ack(message))
              )
              return
            }
            handled(wire.payload)
            settling.ack(message)
          })
        }
      },
      close
    }
  }
})

/** The twin: amqplib alone, sending the frames that the bus does, and acknowledging each message by itself. */
export const raw: Contestant = twin((channel) => ({ add: () => {}, ack: (message) => channel.ack(message) }))

/** The same, acknowledging as the bus does: exactly its frames. */
export const rawMultiple: Contestant = twin(
  (channel) =>
    new AmqpAcknowledger(
      { channel, isOpen: () => true },
      () => 0,
      () => {
        throw new Error("an acknowledgement came too late")
      }
    )
)
