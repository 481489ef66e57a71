/**
 * The exchanges, queues and bindings that subscriptions need, as data, and what
 * declares them.
 *
 * | what | is |
 * |---|---|
 * | `agent_events` | a topic exchange: events go to the queues whose patterns match |
 * | `agent_events_dlx` | a direct exchange: a message goes to the one queue that is named |
 * | `{queue}` | bound to the first by its patterns, to the second by its name |
 * | `dlq.{queue}` | its dead letters, bound to the second by its name |
 * | `wait.{queue}.…` | where a failed event waits; it expires into `{queue}` |
 *
 * Everything is legal on RabbitMQ 3.10 to 4.3, and nothing is ever deleted.
 *
 * @since 0.1.0
 */

import type { Reason } from "effect-eventbus/BrokerError"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import type { Live } from "./AmqpConnection.ts"
import type { QueueType, Settings } from "./AmqpOptions.ts"
import * as AmqpChannel from "./internal/AmqpChannel.ts"
import * as AmqpMessage from "./internal/AmqpMessage.ts"

/**
 * A queue to declare.
 *
 * @category models
 * @since 0.1.0
 */
export interface Declaration {
  readonly name: string
  readonly durable: boolean
  /** Whether it is this connection's alone, and goes with its consumer. */
  readonly exclusive: boolean
  readonly arguments: Readonly<Record<string, string | number>>
}

/**
 * Something to declare.
 *
 * @category models
 * @since 0.1.0
 */
export type Item =
  | { readonly _tag: "Exchange"; readonly name: string; readonly type: "topic" | "direct" }
  | { readonly _tag: "Queue"; readonly declaration: Declaration }
  | { readonly _tag: "Binding"; readonly queue: string; readonly exchange: string; readonly key: string }

/** With at-least-once dead-lettering, a quorum queue keeps a message until the next queue has it. */
const deadLetterTo = (queueType: QueueType, exchange: string, routingKey: string) => ({
  "x-dead-letter-exchange": exchange,
  "x-dead-letter-routing-key": routingKey,
  ...(queueType === "quorum" ? { "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish" } : {})
})

/**
 * How often a dead letter may be given back: every look at it is once, so more often
 * than anybody will look. RabbitMQ 4 would say 20, and drop it then; no limit at all
 * cannot be said before it. No reader needs one: headers that cannot be read go
 * through without them. It is a whole number of 32 bits, as all clients send them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deadLetterDeliveryLimit = 1_000_000_000

const durable = (name: string, queueType: QueueType, args: Declaration["arguments"]): Declaration => ({
  name,
  durable: true,
  exclusive: false,
  arguments: { "x-queue-type": queueType, ...args }
})

/**
 * The queue that keeps dead letters. What is given back too often goes on to the
 * dead letters of the dead letters, and waits in the broker until they are there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deadLetterQueue = (name: string, settings: Settings): Declaration => {
  const { queueType } = settings.forQueue(name)
  if (queueType === "classic") return durable(name, queueType, {})
  return durable(name, queueType, {
    "x-delivery-limit": deadLetterDeliveryLimit,
    ...deadLetterTo(queueType, settings.deadLetterExchange, QueueSpec.deadLetterQueueOf(name))
  })
}

/**
 * The queue of a subscription.
 *
 * @category constructors
 * @since 0.1.0
 */
export const workQueue = (queue: QueueSpec.QueueSpec, settings: Settings): Declaration => {
  if (queue.temporary) return { name: queue.name, durable: false, exclusive: true, arguments: {} }
  if (QueueSpec.isDeadLetterQueue(queue.name)) return deadLetterQueue(queue.name, settings)
  // Quorum queues have no priorities before RabbitMQ 4, two on 4.0, and all of them on 4.3.
  const queueType = queue.priorities ? "classic" : settings.forQueue(queue.name).queueType
  return durable(queue.name, queueType, {
    ...(queueType === "quorum" ? { "x-delivery-limit": settings.deliveryLimit } : {}),
    ...(queue.deadLetterQueue === undefined
      ? {}
      : deadLetterTo(queueType, settings.deadLetterExchange, queue.deadLetterQueue)),
    ...(queue.messageTtl === undefined ? {} : { "x-message-ttl": queue.messageTtl }),
    ...(queue.priorities ? { "x-max-priority": AmqpMessage.maxPriority } : {})
  })
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** Delays that people write, each at most twice the one before it, and half as much again from a second up. */
const tiers = [
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
  ...[1, 1.5, 2, 3, 4, 6, 8, 12, 18, 24].map((n) => n * hour)
]

/**
 * Rounds a delay up to the next one for which there is a wait queue. A message's
 * own time to live would not do: RabbitMQ looks at the head of a queue only, so a
 * long wait would hold up the short ones behind it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const delayTier = (millis: number): number =>
  tiers.find((tier) => tier >= millis) ?? Math.min(Math.ceil(millis / (24 * hour)), 49) * 24 * hour

/**
 * The queue in which failed events of a queue wait for a delay. Every argument is
 * part of its name, so that it can never collide with one of another policy. It is
 * a quorum queue, whatever the other one is: from a classic queue RabbitMQ moves
 * what has expired without waiting for its confirm, and loses it if it is killed
 * then (RabbitMQ documentation, Dead Letter Exchanges, "Safety").
 *
 * @category constructors
 * @since 0.1.0
 */
export const waitQueue = (queue: string, delay: number, settings: Settings): Declaration => {
  const exchange = settings.deadLetterExchange
  return durable(AmqpMessage.waitQueueName(queue, delay, exchange), "quorum", {
    "x-message-ttl": delay,
    ...deadLetterTo("quorum", exchange, queue)
  })
}

/**
 * How long an event may wait at most for a delay. It expires by its queue's time to
 * live, well before. But RabbitMQ 3.10 hands out a quorum queue that is just being
 * declared before the queue knows its arguments: what comes first then has no time
 * to live but its own, and would stay at the head for ever with all others behind it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const longestWait = (delay: number): number => delay + minute

/**
 * The two exchanges.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exchangesOf = (settings: Settings): ReadonlyArray<Item> => [
  { _tag: "Exchange", name: settings.exchange, type: "topic" },
  { _tag: "Exchange", name: settings.deadLetterExchange, type: "direct" }
]

const binding = (queue: string, exchange: string, key: string): Item => ({ _tag: "Binding", queue, exchange, key })

/**
 * Returns what a subscription needs beside the exchanges, in the order in which it is
 * declared. The dead letters come first: a queue must never dead-letter into nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const itemsOf = (queue: QueueSpec.QueueSpec, settings: Settings): ReadonlyArray<Item> => {
  const { deadLetterExchange, exchange } = settings
  const patterns = queue.patterns.map((pattern) => binding(queue.name, exchange, pattern))
  const work: Item = { _tag: "Queue", declaration: workQueue(queue, settings) }
  if (queue.temporary) return [work, ...patterns]
  const letters = queue.deadLetterQueue
  return [
    ...(letters === undefined
      ? []
      : [
          { _tag: "Queue", declaration: deadLetterQueue(letters, settings) } as const,
          binding(letters, deadLetterExchange, letters)
        ]),
    work,
    binding(queue.name, deadLetterExchange, queue.name),
    ...patterns
  ]
}

const assertItem = (ask: AmqpChannel.Ask, item: Item): Effect.Effect<unknown, Reason> => {
  switch (item._tag) {
    case "Exchange":
      return ask(`declare the exchange "${item.name}"`, (channel) =>
        channel.assertExchange(item.name, item.type, { durable: true })
      )
    case "Queue": {
      const { arguments: args, durable, exclusive, name } = item.declaration
      return ask(`declare the queue "${name}"`, (channel) =>
        channel.assertQueue(name, { durable, exclusive, autoDelete: exclusive, arguments: args })
      )
    }
    case "Binding":
      return ask(`bind the queue "${item.queue}" to "${item.exchange}" by "${item.key}"`, (channel) =>
        channel.bindQueue(item.queue, item.exchange, item.key)
      )
  }
}

/** Looks whether it is there. A binding cannot be looked for. */
const verifyItem = (ask: AmqpChannel.Ask, item: Item): Effect.Effect<unknown, Reason> => {
  switch (item._tag) {
    case "Exchange":
      return ask(`look for the exchange "${item.name}"`, (channel) => channel.checkExchange(item.name))
    case "Queue":
      return ask(`look for the queue "${item.declaration.name}"`, (channel) =>
        channel.checkQueue(item.declaration.name)
      )
    case "Binding":
      return Effect.void
  }
}

/**
 * Declares what is given, in its order. What is there already stays as it is.
 *
 * @category running
 * @since 0.1.0
 */
export const assert = (live: Live, settings: Settings, items: ReadonlyArray<Item>): Effect.Effect<void, Reason> =>
  AmqpChannel.throwaway(live, settings.connectionTimeout, (ask) =>
    Effect.forEach(items, (item) => assertItem(ask, item), { discard: true })
  )

/**
 * Looks whether what is given is there, but for bindings, which cannot be seen.
 *
 * @category running
 * @since 0.1.0
 */
export const verify = (live: Live, settings: Settings, items: ReadonlyArray<Item>): Effect.Effect<void, Reason> =>
  AmqpChannel.throwaway(live, settings.connectionTimeout, (ask) =>
    Effect.forEach(items, (item) => verifyItem(ask, item), { discard: true })
  )

/**
 * Looks whether what is given is there, as far as this user may look: since RabbitMQ 4.3 that takes a right on it, and
 * publishing takes none on the second exchange, consuming none on the first. Of a right that is needed and lacks, the
 * operation that needs it tells.
 */
const verifyVisible = (live: Live, settings: Settings, items: ReadonlyArray<Item>): Effect.Effect<void, Reason> =>
  Effect.forEach(
    items.filter(({ _tag }) => _tag !== "Binding"),
    (item) => Effect.catchTag(verify(live, settings, [item]), "PermissionDenied", () => Effect.void),
    { discard: true }
  )

/**
 * Declares the two exchanges, or looks whether they are there.
 *
 * @category running
 * @since 0.1.0
 */
export const exchanges = (live: Live, settings: Settings): Effect.Effect<void, Reason> =>
  settings.topology === "none"
    ? Effect.void
    : (settings.topology === "assert" ? assert : verifyVisible)(live, settings, exchangesOf(settings))

/**
 * Declares what a subscription needs, or looks whether it is there.
 *
 * @category running
 * @since 0.1.0
 */
export const declare = (live: Live, settings: Settings, queue: QueueSpec.QueueSpec): Effect.Effect<void, Reason> => {
  // A temporary queue belongs to its consumer, also where another service declares the rest.
  const topology = queue.temporary ? "assert" : settings.forQueue(queue.name).topology
  if (topology === "none") return Effect.void
  return (topology === "assert" ? assert : verifyVisible)(live, settings, itemsOf(queue, settings))
}

/**
 * Lets the direct exchange lead to a queue by its name, as it does to all queues that
 * this library declares.
 *
 * @category running
 * @since 0.1.0
 */
export const bindByName = (live: Live, settings: Settings, queue: string): Effect.Effect<void, Reason> =>
  assert(live, settings, [binding(queue, settings.deadLetterExchange, queue)])

/**
 * Declares a wait queue, and the way back from it. Wait queues are this library's
 * own, so they are declared even where the rest of the topology is not.
 *
 * @category running
 * @since 0.1.0
 */
export const declareWait = (
  live: Live,
  settings: Settings,
  queue: string,
  delay: number
): Effect.Effect<void, Reason> => {
  const wait = waitQueue(queue, delay, settings)
  return assert(live, settings, [
    { _tag: "Queue", declaration: wait },
    binding(wait.name, settings.deadLetterExchange, wait.name),
    binding(queue, settings.deadLetterExchange, queue)
  ])
}
