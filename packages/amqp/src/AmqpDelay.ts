/**
 * The queues in which failed events wait for their next attempt.
 *
 * @since 0.1.0
 */

import type { Reason } from "effect-eventbus/BrokerError"
import type * as Effect from "effect/Effect"
import type { Live } from "./AmqpConnection.ts"
import type { Settings } from "./AmqpOptions.ts"
import * as AmqpTopology from "./AmqpTopology.ts"
import * as WaitName from "./internal/WaitName.ts"

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** Longer delays are rounded to whole days, up to the longest time to live that RabbitMQ takes. */
const maxDays = 49

/**
 * The delays that have a wait queue, in milliseconds. Up to a day they are the ones that people write. Each is at most
 * twice the one before it, and from a second on at most half as much again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const delayTiers: ReadonlyArray<number> = [
  10,
  20,
  50,
  100,
  200,
  300,
  500,
  700,
  ...[1, 1.5, 2, 3, 4, 5, 7, 8, 10, 15, 20, 30, 45].map((n) => n * second),
  ...[1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45].map((n) => n * minute),
  ...[1, 1.5, 2, 3, 4, 6, 8, 12, 18].map((n) => n * hour),
  ...Array.from({ length: maxDays }, (_, n) => (n + 1) * 24 * hour)
]

/**
 * Rounds a delay up to the next one that has a wait queue. A time to live for each
 * message would not work: RabbitMQ expires messages only at the head of a queue, so a
 * long wait would hold up the short ones behind it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const delayTier = (millis: number): number => delayTiers.find((tier) => tier >= millis) ?? maxDays * 24 * hour

/**
 * Returns the queue in which failed events of a queue wait. Its name contains all its
 * arguments, so it cannot collide with the queue of another policy. It is always a
 * quorum queue: RabbitMQ moves expired messages out of a classic queue without waiting
 * for a confirm, and loses them if it is killed just then (RabbitMQ documentation,
 * Dead Letter Exchanges, "Safety").
 *
 * @category constructors
 * @since 0.1.0
 */
export const waitQueue = (queue: string, delay: number, settings: Settings): AmqpTopology.Declaration => {
  const exchange = settings.deadLetterExchange
  return AmqpTopology.durable(WaitName.of(queue, delay, exchange), "quorum", {
    "x-message-ttl": delay,
    ...AmqpTopology.deadLetterTo("quorum", exchange, queue)
  })
}

/**
 * Returns the time to live of a message that waits for a delay. Its queue expires it
 * well before. But RabbitMQ 3.10 hands out a quorum queue that is still being declared
 * before the queue knows its arguments. Without a time to live of its own, a message
 * that arrives then would stay at the head for ever, with all others behind it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const longestWait = (delay: number): number => delay + minute

/**
 * Declares a wait queue and its bindings. Wait queues belong to this library, so they
 * are declared even if another service declares the rest.
 *
 * @category running
 * @since 0.1.0
 */
export const declare = (live: Live, queue: string, delay: number): Effect.Effect<void, Reason> => {
  const { deadLetterExchange } = live.settings
  const wait = waitQueue(queue, delay, live.settings)
  return AmqpTopology.assert(live, [
    { _tag: "Queue", declaration: wait },
    AmqpTopology.binding(wait.name, deadLetterExchange, wait.name),
    AmqpTopology.binding(queue, deadLetterExchange, queue)
  ])
}
