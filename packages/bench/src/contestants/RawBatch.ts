import { setTimeout as sleep } from "node:timers/promises"
import type { Channel, ConsumeMessage } from "amqplib"
import type { Stage } from "../Contestant.ts"
import * as SampleEvent from "../SampleEvent.ts"
import { batchMillis, batchWithin } from "../Scenario.ts"

/** Consumes a queue in batches, one at a time, and acknowledges each batch with one frame. */
export const consume = async (channel: Channel, queue: string, { handled, scenario }: Stage): Promise<void> => {
  const { batch: size } = scenario
  let waiting: Array<ConsumeMessage> = []
  let timer: NodeJS.Timeout | undefined
  let isBusy = false

  const handle = async (): Promise<void> => {
    isBusy = true
    clearTimeout(timer)
    timer = undefined
    const batch = waiting.slice(0, size)
    waiting = waiting.slice(size)
    const payloads = batch.map(({ content }) => SampleEvent.parse(content).payload)
    await sleep(batchMillis)
    for (const payload of payloads) handled(payload)
    const last = batch.at(-1)
    if (last !== undefined) channel.ack(last, true)
    isBusy = false
    next()
  }

  const next = (): void => {
    if (isBusy) return
    if (waiting.length >= size) void handle()
    else if (waiting.length > 0) timer ??= setTimeout(() => void handle(), batchWithin)
  }

  await channel.prefetch(2 * size, false)
  await channel.consume(queue, (message) => {
    if (message === null) return
    waiting.push(message)
    next()
  })
}
