import type { Channel } from "amqplib"
import { Effect } from "effect"
import { within } from "../../support/Deadline.ts"
import type { LabBroker } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { EventInQueue } from "./EventLedger.ts"
import type { Journal } from "./Journal.ts"

/** Milliseconds in which a missing event may still appear in a queue. */
const searchTime = 10_000

/** Returns the queues of an experiment and the number of messages in each. */
export const queuesOf = (
  broker: LabBroker,
  name: string
): Effect.Effect<ReadonlyArray<readonly [queue: string, messages: number]>> =>
  Effect.map(
    Effect.promise(() => broker.ctl("list_queues", "name", "messages", "--no-table-headers")),
    (list) =>
      list
        .split("\n")
        .map((line) => line.split("\t"))
        .filter(([queue = ""]) => queue.includes(name))
        .map(([queue = "", messages]) => [queue, Number(messages)])
  )

const header = (headers: unknown, key: string): unknown =>
  typeof headers === "object" && headers !== null ? Reflect.get(headers, key) : undefined

/** Returns the queue that a wait queue belongs to. */
const workQueueOf = (queue: string): string => /^wait\.(.*)\.\d+\.(?:quorum|classic)\.[^.]*$/.exec(queue)?.[1] ?? queue

/** Removes all messages from queues and records each one: in a dead letter queue as dead, elsewhere as left. */
export const drain = async (channel: Channel, queues: ReadonlyArray<string>, journal: Journal): Promise<void> => {
  for (const queue of queues) {
    for (;;) {
      const get = channel.get(queue, { noAck: true })
      const message = await within(LabClient.answerTimeout, `a message of "${queue}"`, get)
      if (message === false) break
      const { headers, messageId } = message.properties
      const id = typeof messageId === "string" ? messageId : "?"
      const [, work] = /^dlq\.(.*)$/.exec(queue) ?? []
      const reason = header(headers, "eb-reason") ?? "dead-lettered by the broker"
      if (work !== undefined) journal.dead(id, work, String(reason))
      else journal.left(id, workQueueOf(queue))
    }
  }
}

/** Records the messages that are left in the queues of an experiment, then deletes the queues and exchanges. */
export const takeAll = (
  broker: LabBroker,
  name: string,
  journal: Journal,
  isExcused: (missing: EventInQueue) => boolean
): Effect.Effect<void> =>
  Effect.scoped(
    Effect.gen(function* () {
      const channel = yield* LabClient.open(broker.ports[0] ?? 0)
      const end = Date.now() + searchTime
      for (;;) {
        const queues = (yield* queuesOf(broker, name)).map(([queue]) => queue)
        yield* Effect.promise(() => drain(channel, queues, journal))
        const missing = journal
          .read()
          .missing()
          .filter((event) => !isExcused(event))
        if (missing.length > 0 && Date.now() < end) continue
        for (const queue of queues) yield* Effect.promise(() => channel.deleteQueue(queue))
        for (const exchange of [name, `${name}_dlx`]) yield* Effect.promise(() => channel.deleteExchange(exchange))
        return
      }
    })
  )
