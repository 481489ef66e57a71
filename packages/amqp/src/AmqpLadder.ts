/**
 * The queues in which delayed events wait.
 *
 * A delay is a sum of powers of two, and each of them has a queue with that time to
 * live: 25 queues keep any delay up to 49 days. An event passes the queues of its sum,
 * the longest first, and then goes on to the exchange of the events, under its own
 * routing key. All subscriptions share the queues, and one copy of the event waits,
 * however many of them will receive it.
 *
 * | what | is |
 * |---|---|
 * | `{exchange}_delay.{millis}` | a queue with that time to live, and a headers exchange that leads into it or past it |
 * | `{exchange}_delay` | a fanout exchange: what is due goes to the exchange of the events |
 * | `{exchange}_delay.unroutable` | also receives what is due, and keeps nothing |
 *
 * The last of them is there because RabbitMQ keeps what it cannot route at the head of
 * its queue, where it would hold up all others.
 *
 * @since 0.1.0
 */

import type { Reason } from "effect-eventbus/BrokerError"
import * as Effect from "effect/Effect"
import type { Live } from "./AmqpConnection.ts"
import type { Settings } from "./AmqpOptions.ts"
import * as AmqpTopology from "./AmqpTopology.ts"
import * as AmqpChannel from "./internal/AmqpChannel.ts"

/** The shortest wait, in milliseconds. */
const shortest = 2 ** 7

/**
 * The waits of the queues, in milliseconds, the shortest first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const levels: ReadonlyArray<number> = Array.from({ length: 25 }, (_, n) => shortest * 2 ** n)

const levelsUpTo = (top: number): ReadonlyArray<number> => levels.filter((level) => level <= top)

const highestBit = (n: number): number => 2 ** Math.floor(Math.log2(n))

/**
 * Rounds a delay up, by less than 256 ms or 0.4 %, to a sum of few levels: each of them
 * is a queue to pass.
 *
 * **Example** (The levels of a minute)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { AmqpLadder, AmqpOptions } from "@effect-eventbus/amqp"
 *
 * assert.strictEqual(AmqpLadder.rounded(60_000), 60_160)
 *
 * const { exchange, headers } = AmqpLadder.route(60_000, AmqpOptions.settings({}))
 * assert.strictEqual(exchange, "agent_events_delay.32768")
 * assert.strictEqual(headers["eb-delay-end"], 256)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const rounded = (delay: number): number => {
  const step = highestBit(Math.max(shortest, Math.min(2 * shortest, delay / 8), delay / 256))
  return Math.max(1, Math.ceil(delay / step)) * step
}

/** The name of the exchange may be one that RabbitMQ keeps for itself. */
const baseOf = ({ exchange }: Settings): string => `${exchange.replace(/^amq\./, "")}_delay`

/**
 * Returns the name of the queue, and of the exchange, of a level.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nameOf = (level: number, settings: Settings): string => `${baseOf(settings)}.${level}`

/** Returns the name of the exchange to which an event goes when it is due. */
const dueOf = baseOf

/**
 * Returns the name of the queue that keeps nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unroutableOf = (settings: Settings): string => `${baseOf(settings)}.unroutable`

/** Returns the header that says whether a message waits at a level. */
const headerOf = (level: number): string => `eb-delay-${level}`
/** The header with the last level at which a message waits. */
const end = "eb-delay-end"

/**
 * The way of a message through the levels.
 *
 * @category models
 * @since 0.1.0
 */
export interface Route {
  /** The highest level at which it waits. */
  readonly top: number
  /** The exchange to publish it to, under its own routing key. */
  readonly exchange: string
  readonly headers: Readonly<Record<string, number>>
}

/**
 * Returns the way of a message with a delay, in milliseconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const route = (delay: number, settings: Settings): Route => {
  let left = rounded(delay)
  const top = highestBit(left)
  const headers: Record<string, number> = {}
  for (let level = top; left > 0; level /= 2) {
    const waits = left >= level
    headers[headerOf(level)] = Number(waits)
    if (!waits) continue
    left -= level
    headers[end] = level
  }
  return { top, exchange: nameOf(top, settings), headers }
}

/**
 * Returns the queue of a level. It is a quorum queue, which keeps a message until the
 * next one has it. It has no dead-letter routing key: messages keep their own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const queueOf = (level: number, settings: Settings): AmqpTopology.Declaration =>
  AmqpTopology.durable(nameOf(level, settings), "quorum", {
    "x-message-ttl": level,
    "x-dead-letter-exchange": level === shortest ? dueOf(settings) : nameOf(level / 2, settings),
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish"
  })

/**
 * Returns whether a queue with these arguments is one in which delayed events wait, of any
 * exchange. A queue that only has such a name is not.
 *
 * **Example** (A queue for delays, and one for parcels)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { AmqpLadder, AmqpOptions } from "@effect-eventbus/amqp"
 *
 * const queue = AmqpLadder.queueOf(256, AmqpOptions.settings({ exchange: "parcel" }))
 *
 * assert.strictEqual(queue.name, "parcel_delay.256")
 * assert.ok(AmqpLadder.isQueue(queue.name, queue.arguments))
 * assert.ok(!AmqpLadder.isQueue("parcel_delay.256", { "x-queue-type": "quorum" }))
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isQueue = (name: string, args: Readonly<Record<string, unknown>>): boolean => {
  const level = Number(args["x-message-ttl"])
  const suffix = `_delay.${level}`
  if (!levels.includes(level) || !name.endsWith(suffix) || "x-dead-letter-routing-key" in args) return false
  const base = name.slice(0, -`.${level}`.length)
  return args["x-dead-letter-exchange"] === (level === shortest ? base : `${base}.${level / 2}`)
}

/**
 * Returns the names of all queues and exchanges in which delays up to one wait, in
 * milliseconds, for tools that remove them.
 *
 * @category getters
 * @since 0.1.0
 */
export const names = (
  settings: Settings,
  delay: number
): { readonly queues: ReadonlyArray<string>; readonly exchanges: ReadonlyArray<string> } => {
  const own = levelsUpTo(highestBit(rounded(delay))).map((level) => nameOf(level, settings))
  return { queues: [...own, unroutableOf(settings)], exchanges: [...own, dueOf(settings)] }
}

/** Declares the way out: what is due goes to the exchange of the events, and to a queue that keeps nothing. */
const declareEnd = Effect.fnUntraced(function* (ask: AmqpChannel.Ask, settings: Settings) {
  const [due, unroutable] = [dueOf(settings), unroutableOf(settings)]
  yield* ask(`declare the exchange "${due}"`, (channel) => channel.assertExchange(due, "fanout", { durable: true }))
  yield* ask(`declare the queue "${unroutable}"`, (channel) =>
    channel.assertQueue(unroutable, { durable: true, arguments: { "x-queue-type": "quorum", "x-max-length": 0 } })
  )
  yield* ask(`bind the queue "${unroutable}" to "${due}"`, (channel) => channel.bindQueue(unroutable, due, ""))
  yield* ask(`bind the exchange "${settings.exchange}" to "${due}"`, (channel) =>
    channel.bindExchange(settings.exchange, due, "")
  )
})

/** Declares a level. What is below it is there. */
const declareLevel = Effect.fnUntraced(function* (ask: AmqpChannel.Ask, level: number, settings: Settings) {
  const { arguments: args, name } = queueOf(level, settings)
  const due = dueOf(settings)
  yield* ask(`declare the exchange "${name}"`, (channel) => channel.assertExchange(name, "headers", { durable: true }))
  yield* ask(`declare the queue "${name}"`, (channel) => channel.assertQueue(name, { durable: true, arguments: args }))
  yield* ask(`bind the queue "${name}"`, (channel) => channel.bindQueue(name, name, "", { [headerOf(level)]: 1 }))
  yield* ask(`bind the exchange "${due}" to "${name}"`, (channel) =>
    channel.bindExchange(due, name, "", { [end]: 2 * level })
  )
  if (level === shortest) return
  const below = nameOf(level / 2, settings)
  yield* ask(`bind the exchange "${below}" to "${name}"`, (channel) =>
    channel.bindExchange(below, name, "", { [headerOf(level)]: 0 })
  )
})

/**
 * Declares all levels up to one. They are this library's own, so they are declared even
 * where the rest of the topology is not.
 *
 * @category running
 * @since 0.1.0
 */
export const declare = (live: Live, top: number): Effect.Effect<void, Reason> =>
  AmqpChannel.throwaway(live, (ask) =>
    Effect.andThen(
      declareEnd(ask, live.settings),
      Effect.forEach(levelsUpTo(top), (level) => declareLevel(ask, level, live.settings), { discard: true })
    )
  )
