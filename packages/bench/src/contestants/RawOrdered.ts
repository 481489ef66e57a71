import type { Channel } from "amqplib"
import type { Stage } from "../Contestant.ts"
import * as SampleEvent from "../SampleEvent.ts"

/** Consumes a queue with one event of each key at a time, and acknowledges each message by itself. */
export const consume = async (channel: Channel, queue: string, { handled, scenario }: Stage): Promise<void> => {
  /** The end of the last event of each key. */
  const ends = new Map<string, Promise<void>>()
  await channel.prefetch(scenario.prefetch, false)
  await channel.consume(queue, (message) => {
    if (message === null) return
    const { payload } = SampleEvent.parse(message.content)
    const key = SampleEvent.keyOf(scenario, payload)
    // A handler may take its time.
    const handle = async (): Promise<void> => handled(payload)
    const end = (ends.get(key) ?? Promise.resolve()).then(handle).then(() => {
      channel.ack(message)
      if (ends.get(key) === end) ends.delete(key)
    })
    ends.set(key, end)
  })
}
