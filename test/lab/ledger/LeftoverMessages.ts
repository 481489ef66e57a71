import { AmqpLadder, AmqpOptions } from "@effect-eventbus/amqp"
import type { Channel } from "amqplib"
import { Effect } from "effect"
import { within } from "../../support/Deadline.ts"
import { messageOf } from "../../support/eventually.ts"
import type { LabBroker } from "../broker/LabBroker.ts"
import * as LabClient from "../broker/LabClient.ts"
import type { EventInQueue } from "./EventLedger.ts"
import type { Journal } from "./Journal.ts"

/** The longest delay of an event in the lab, in milliseconds. */
const longestDelay = 60_000

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

/**
 * Returns what the leaders of the quorum queues of an experiment know of their messages, and how many deliveries the
 * channels hold.
 */
export const whereaboutsOf = (broker: LabBroker, name: string): Effect.Effect<string> => {
  // RabbitMQ 4.3 refuses a function before it asks the leader. An earlier one that is given a name loses its leader.
  const query = (what: string) => {
    const name = `query_messages_${what}`
    const answer = `try ra:leader_query(P, fun rabbit_fifo:${name}/1) catch error:function_clause -> ra:leader_query(P, {rabbit_fifo, ${name}, []}) end`
    return `{${what}, element(2, element(2, ${answer}))}`
  }
  const queues = `[Q || Q <- rabbit_amqqueue:list(<<"/">>), amqqueue:get_type(Q) =:= rabbit_quorum_queue]`
  const code = `[{element(4, amqqueue:get_name(Q)), P, ${query("total")}, ${query("checked_out")}} || Q <- ${queues}, P <- [amqqueue:get_pid(Q)]].`
  return Effect.map(
    Effect.promise(() => Promise.all([broker.ctl("eval", code), heldByChannels(broker)])),
    ([leaders, held]) => {
      const ours = leaders.split("{<<").filter((text) => text.includes(`"${name}`) && !text.includes("{total,0}"))
      return `the leaders count ${ours.join(" ").replace(/\s+/g, " ")}, and the channels hold ${held}`
    }
  ).pipe(Effect.catchCause((cause) => Effect.succeed(`not known: ${messageOf(cause)}`)))
}

const heldByChannels = async (broker: LabBroker): Promise<number> => {
  const list = await broker.ctl("list_channels", "messages_unacknowledged", "--no-table-headers")
  return list.split("\n").reduce((sum, line) => sum + Number(line), 0)
}

/**
 * Returns whether no channel holds a delivery. RabbitMQ may lose one on its way from a leader to a channel when the
 * leader changes: the leader counts it as handed out, and sends it again only when the next delivery shows the gap.
 */
export const noneIsHeld = (broker: LabBroker): Effect.Effect<boolean> =>
  Effect.map(
    Effect.promise(() => heldByChannels(broker)),
    (held) => held === 0
  )

/**
 * Returns whether RabbitMQ counts all that is left in some queues as handed out, and no channel holds it: what was settled
 * while a leader changed may stay so. Nothing that uses the queues can change it.
 */
export const isLostOnItsWay = (
  broker: LabBroker,
  queues: Pick<ReadonlyMap<string, unknown>, "has">
): Effect.Effect<boolean> =>
  Effect.zipWith(
    noneIsHeld(broker),
    Effect.promise(() => broker.ctl("list_queues", "name", "messages_ready", "--no-table-headers")),
    (isNoneHeld, list) =>
      isNoneHeld &&
      list
        .split("\n")
        .map((line) => line.split("\t"))
        .every(([queue = "", ready]) => !queues.has(queue) || Number(ready) === 0)
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
        const ladder = AmqpLadder.names(AmqpOptions.settings({ exchange: name }), longestDelay)
        for (const exchange of [name, `${name}_dlx`, ...ladder.exchanges])
          yield* Effect.promise(() => channel.deleteExchange(exchange))
        return
      }
    })
  )
