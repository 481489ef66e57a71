/**
 * The checks of what waits in queues.
 *
 * @internal
 */

import { AmqpLadder, AmqpQueue } from "@effect-eventbus/amqp"
import type { AmqpConnection, AmqpOptions } from "@effect-eventbus/amqp"
import type { QueueInfo } from "effect-eventbus/Broker"
import type { BrokerError } from "effect-eventbus/BrokerError"
import { isDeadLetterQueue, originOf, type QueueSpec } from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as BrokerConnection from "../../BrokerConnection.ts"
import type { ListedQueue, Management } from "../../Management.ts"
import * as QueueLimit from "../../QueueLimit.ts"
import * as QueueReport from "../../QueueReport.ts"
import type { Check } from "../check.ts"
import { counted } from "./counted.ts"

/**
 * Checks that no queue is full.
 *
 * **Details**
 *
 * A full queue either takes no more messages or loses its oldest ones. Where a queue of
 * dead letters takes no more, the events stay with their consumers, which soon stand still.
 *
 * @category checks
 * @since 0.1.0
 */
export const limits = (queues: ReadonlyArray<QueueLimit.QueueLimit>): ReadonlyArray<Check> => {
  const check = "limits"
  const full = queues.filter(QueueLimit.isFull)
  if (full.length === 0) return [{ check, status: "ok", detail: "no queue is full" }]
  return full.map(({ bytes, maxBytes, maxMessages, messages, name, rejects }) => {
    const isDead = isDeadLetterQueue(name)
    const has =
      maxMessages !== undefined && messages >= maxMessages
        ? `${messages === 1 ? "1 message" : `${messages} messages`} (max-length ${maxMessages})`
        : `${bytes} bytes (max-length-bytes ${maxBytes})`
    const space = isDead
      ? `Replay or purge its dead letters (\`eventbus dlq groups ${originOf(name)}\`)`
      : "Let its consumers catch up"
    const effect = rejects
      ? `takes no more${isDead ? " dead letters, so the consumers wait whose events should go there" : ", so publishes and retries to it fail"}`
      : `loses its oldest ${isDead ? "dead letters" : "events"}`
    return {
      check,
      status: rejects ? "fail" : "warn",
      detail: `"${name}" is full with ${has} and ${effect}`,
      advice: `${space}, or raise the limit in its policy or arguments.`
    }
  })
}

/**
 * Checks that the events of each queue have a consumer.
 *
 * @category checks
 * @since 0.1.0
 */
export const backlog = (queues: ReadonlyArray<QueueReport.QueueStatus>): ReadonlyArray<Check> => {
  const check = "backlog"
  const found = queues.filter(QueueReport.isBacklog)
  if (found.length === 0) return [{ check, status: "ok", detail: "every queue with events has a consumer" }]
  return found.map(({ messages, name }) => {
    const events = messages === 1 ? "1 event waits" : `${messages} events wait`
    return {
      check,
      status: "warn",
      detail: `${events} in "${name}", which has no consumer`,
      advice: `Start its application, or resume it with \`eventbus resume ${name}\`. If no application uses it, run \`eventbus queue delete ${name} --force\`.`
    }
  })
}

/**
 * Checks that no dead letter waits for an operator.
 *
 * @category checks
 * @since 0.1.0
 */
export const deadLetters = (queues: ReadonlyArray<QueueReport.QueueStatus>): ReadonlyArray<Check> => {
  const check = "dead letters"
  const found = queues
    .map(({ deadLetters = 0, messages, name }) =>
      isDeadLetterQueue(name) ? { name: originOf(name), count: messages } : { name, count: deadLetters }
    )
    .filter(({ count }) => count > 0)
  if (found.length === 0) return [{ check, status: "ok", detail: "no queue has any" }]
  return found.map(({ count, name }) => ({
    check,
    status: "warn",
    detail: `${counted(count, "dead letter")} of "${name}"`,
    advice: `See why with \`eventbus dlq groups ${name}\`. Mend the cause, and replay them.`
  }))
}

const replyQueue = /^reply\.[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

/** Looks at what waits in the queues of the subscriptions and, with the management API, in all others. */
export const waiting = Effect.fnUntraced(function* (
  live: AmqpConnection.Live,
  queues: ReadonlyArray<QueueSpec>,
  management: Option.Option<Management>
): Effect.fn.Return<ReadonlyArray<Check>, BrokerError> {
  const names = queues.filter(({ temporary }) => !temporary).map(({ name }) => name)
  // Since RabbitMQ 4.3, a user without a right on a queue may not look at it.
  const info = (name: string) =>
    Effect.catchTag(AmqpQueue.info(live, name), "PermissionDenied", () => Effect.succeedNone).pipe(
      BrokerConnection.asBrokerError
    )
  const own = yield* QueueReport.fromNames(names, info)
  const listed = Option.isNone(management) ? [] : yield* Effect.orElseSucceed(management.value.queues, () => [])
  // A queue for replies has a check of its own.
  const others = QueueReport.fromAll(listed.filter(({ name }) => !replyQueue.test(name))).filter(
    ({ name }) => !names.includes(name)
  )
  const all = [...own, ...others]
  if (all.length > 0) return [...backlog(all), ...deadLetters(all)]
  const advice = "Use --module, or set RABBITMQ_MANAGEMENT_URL to check all queues."
  return [{ check: "backlog", status: "skip", detail: "no queue is known", advice }]
})

/**
 * Checks that ordered subscriptions whose queues another application declares have one
 * active consumer each. Other arguments of such queues are of no concern here.
 *
 * @category checks
 * @since 0.1.0
 */
export const order = (wanted: ReadonlyArray<string>, found: ReadonlyArray<ListedQueue>): ReadonlyArray<Check> => {
  const check = "order"
  const byName = new Map(found.map((queue) => [queue.name, queue]))
  return wanted.flatMap((name): ReadonlyArray<Check> => {
    const queue = byName.get(name)
    if (queue === undefined) return []
    if (queue.arguments["x-single-active-consumer"] === true) {
      return [{ check, status: "ok", detail: `"${name}" has one active consumer` }]
    }
    return [
      {
        check,
        status: "fail",
        detail: `"${name}" hands its events to several consumers at once, so processes do not keep the order of a key`,
        advice: "Its owner has to declare it again with x-single-active-consumer. Until then, run one process."
      }
    ]
  })
}

/**
 * Checks the queues in which delayed events wait, out of the names of queues and what they
 * hold. A level that is missing below another holds up the events above it.
 *
 * @category checks
 * @since 0.1.0
 */
export const delays = (found: ReadonlyArray<QueueInfo>, settings: AmqpOptions.Settings): ReadonlyArray<Check> => {
  const check = "delays"
  const byName = new Map(found.map((queue) => [queue.name, queue]))
  const names = AmqpLadder.levels.map((level) => AmqpLadder.nameOf(level, settings))
  const top = names.findLastIndex((name) => byName.has(name))
  if (top < 0) return [{ check, status: "ok", detail: "no event has been delayed, so no queue is declared for it" }]
  const ladder = names.slice(0, top + 1)
  const missing = ladder.filter((name) => !byName.has(name))
  if (missing.length > 0) {
    return missing.map((name) => ({
      check,
      status: "fail",
      detail: `${name} is missing, so delayed events do not get any further than the queue above it`,
      advice: "Restart an application that delays events: it declares the queues with its next delayed event."
    }))
  }
  const waiting = ladder.reduce((sum, name) => sum + (byName.get(name)?.messages ?? 0), 0)
  return [
    { check, status: "ok", detail: `${counted(waiting, "event")} in ${counted(ladder.length, "queue")} for delays` }
  ]
}

/**
 * Checks the queues for replies. One without a consumer belongs to a requester that has
 * lost its connection.
 *
 * @category checks
 * @since 0.1.0
 */
export const replies = (found: ReadonlyArray<QueueInfo>): ReadonlyArray<Check> => {
  const check = "replies"
  const queues = found.filter(({ name }) => replyQueue.test(name))
  const left = queues.filter(({ consumers }) => consumers === 0)
  if (left.length === 0)
    return [{ check, status: "ok", detail: `${counted(queues.length, "queue")} for replies, each in use` }]
  return left.map(({ messages, name }) => ({
    check,
    status: "warn",
    detail: `${name} has no consumer, and ${messages === 1 ? "1 reply" : `${messages} replies`}`,
    advice:
      "Its requester has lost its connection. If it does not come back, RabbitMQ deletes the queue within a minute."
  }))
}

/** Looks at the queues for delays. Each question takes a channel of its own. */
export const delaysOf = (
  live: AmqpConnection.Live,
  settings: AmqpOptions.Settings
): Effect.Effect<ReadonlyArray<Check>, BrokerError> => {
  // Since RabbitMQ 4.3, a user without a right on a queue may not look at it.
  const info = (level: number) =>
    Effect.catchTag(
      AmqpQueue.info(live, AmqpLadder.nameOf(level, settings)),
      "PermissionDenied",
      () => Effect.succeedNone
    ).pipe(BrokerConnection.asBrokerError)
  return Effect.map(Effect.forEach(AmqpLadder.levels, info, { concurrency: 8 }), (found) =>
    delays(found.flatMap(Option.toArray), settings)
  )
}
