/**
 * The exchanges, queues and bindings that subscriptions need, as data, and the
 * operations that declare them.
 *
 * | what | is |
 * |---|---|
 * | `agent_events` | a topic exchange: events go to the queues whose patterns match |
 * | `agent_events_dlx` | a direct exchange: a message goes to the one queue that is named |
 * | `{queue}` | bound to the first by its patterns, to the second by its name |
 * | `dlq.{queue}` | its dead letters, bound to the second by its name |
 * | `wait.{queue}.…` | where a failed event waits; it expires into `{queue}` |
 * | `look.{queue}` | the lock of a look at a queue; it is gone when the look ends |
 *
 * All of it works on RabbitMQ 3.10 to 4.3. Nothing but locks is ever deleted.
 *
 * @since 0.1.0
 */

import { createHash } from "node:crypto"
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
  /** Whether it belongs to this connection alone, and is deleted with its consumer. */
  readonly exclusive: boolean
  readonly arguments: Readonly<Record<string, string | number | boolean>>
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

/**
 * Returns the arguments that dead-letter into a queue. A quorum queue does so at least
 * once: it keeps a message until the next queue has it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deadLetterTo = (queueType: QueueType, exchange: string, routingKey: string) => ({
  "x-dead-letter-exchange": exchange,
  "x-dead-letter-routing-key": routingKey,
  ...(queueType === "quorum" ? { "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish" } : {})
})

/**
 * The number of times that a dead letter may be put back. Each look at it is one, so
 * the limit must be out of reach. RabbitMQ 4 would drop a dead letter after 20, and
 * older versions cannot be told to have no limit. The number has 32 bits, because that
 * is what all clients send.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deadLetterDeliveryLimit = 1_000_000_000

/**
 * A durable queue of a type.
 *
 * @category constructors
 * @since 0.1.0
 */
export const durable = (name: string, queueType: QueueType, args: Declaration["arguments"]): Declaration => ({
  name,
  durable: true,
  exclusive: false,
  arguments: { "x-queue-type": queueType, ...args }
})

/**
 * Returns the queue that keeps dead letters. A dead letter that is put back too often
 * moves on to the dead letters of the dead letters, and is kept until it is there.
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
 * Returns the queue of a subscription.
 *
 * @category constructors
 * @since 0.1.0
 */
export const workQueue = (queue: QueueSpec.QueueSpec, settings: Settings): Declaration => {
  if (queue.temporary) {
    const { name, reconnectWithin } = queue
    return reconnectWithin === undefined
      ? { name, durable: false, exclusive: true, arguments: {} }
      : durable(name, settings.forQueue(name).queueType, { "x-expires": reconnectWithin })
  }
  if (QueueSpec.isDeadLetterQueue(queue.name)) return deadLetterQueue(queue.name, settings)
  // Quorum queues have no priorities before RabbitMQ 4, two on 4.0, and all of them on 4.3.
  const queueType = queue.priorities ? "classic" : settings.forQueue(queue.name).queueType
  return durable(queue.name, queueType, {
    // The events of an ordered queue must not leave it in another way than by their key.
    ...(queueType === "quorum"
      ? { "x-delivery-limit": queue.singleActive === true ? deadLetterDeliveryLimit : settings.deliveryLimit }
      : {}),
    ...(queue.singleActive === true ? { "x-single-active-consumer": true } : {}),
    ...(queue.deadLetterQueue === undefined
      ? {}
      : deadLetterTo(queueType, settings.deadLetterExchange, queue.deadLetterQueue)),
    ...(queue.messageTtl === undefined ? {} : { "x-message-ttl": queue.messageTtl }),
    ...(queue.priorities ? { "x-max-priority": AmqpMessage.maxPriority } : {})
  })
}

const lookPrefix = "look."

/** Returns a name that fits into the 255 bytes of a queue's name. */
const lookName = (queue: string): string => {
  const name = `${lookPrefix}${queue}`
  return Buffer.byteLength(name) <= 255 ? name : `${lookPrefix}${createHash("sha256").update(queue).digest("hex")}`
}

/**
 * Returns the queue that a connection declares as its own for as long as it looks at a
 * queue. Other connections cannot declare it meanwhile, so they wait. It never has
 * messages.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lookLock = (queue: string): Declaration => ({
  name: lookName(queue),
  durable: false,
  exclusive: true,
  // The default type of the virtual host may be one that a connection cannot own.
  arguments: { "x-queue-type": "classic" }
})

/**
 * Returns the two exchanges.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exchangesOf = (settings: Settings): ReadonlyArray<Item> => [
  { _tag: "Exchange", name: settings.exchange, type: "topic" },
  { _tag: "Exchange", name: settings.deadLetterExchange, type: "direct" }
]

/**
 * A binding of a queue to an exchange.
 *
 * @category constructors
 * @since 0.1.0
 */
export const binding = (queue: string, exchange: string, key: string): Item => ({
  _tag: "Binding",
  queue,
  exchange,
  key
})

/**
 * Returns what a subscription needs besides the exchanges, in the order of
 * declaration. The dead letters come first: a queue must never dead-letter into
 * nothing.
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

/** Checks that an item exists. Bindings cannot be checked. */
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
 * Declares items in their order. Existing items stay as they are.
 *
 * @category running
 * @since 0.1.0
 */
export const assert = (live: Live, items: ReadonlyArray<Item>): Effect.Effect<void, Reason> =>
  AmqpChannel.throwaway(live, (ask) => Effect.forEach(items, (item) => assertItem(ask, item), { discard: true }))

/**
 * Checks that items exist, except bindings, which cannot be seen.
 *
 * @category running
 * @since 0.1.0
 */
export const verify = (live: Live, items: ReadonlyArray<Item>): Effect.Effect<void, Reason> =>
  AmqpChannel.throwaway(live, (ask) => Effect.forEach(items, (item) => verifyItem(ask, item), { discard: true }))

/**
 * Checks that items exist, as far as this user may see them. Since RabbitMQ 4.3 that
 * takes a permission on the item, and publishers need none on the second exchange,
 * consumers none on the first. If a permission is missing, the operation that needs it
 * says so.
 */
const verifyVisible = (live: Live, items: ReadonlyArray<Item>): Effect.Effect<void, Reason> =>
  Effect.forEach(
    items.filter(({ _tag }) => _tag !== "Binding"),
    (item) => Effect.catchTag(verify(live, [item]), "PermissionDenied", () => Effect.void),
    { discard: true }
  )

/**
 * Declares the two exchanges, or checks that they exist.
 *
 * @category running
 * @since 0.1.0
 */
export const exchanges = (live: Live): Effect.Effect<void, Reason> => {
  const { settings } = live
  return settings.topology === "none"
    ? Effect.void
    : (settings.topology === "assert" ? assert : verifyVisible)(live, exchangesOf(settings))
}

/**
 * Declares what a subscription needs, or checks that it exists.
 *
 * @category running
 * @since 0.1.0
 */
export const declare = (live: Live, queue: QueueSpec.QueueSpec): Effect.Effect<void, Reason> => {
  const { settings } = live
  // A temporary queue belongs to its consumer, also where another service declares the rest.
  const topology = queue.temporary ? "assert" : settings.forQueue(queue.name).topology
  if (topology === "none") return Effect.void
  return (topology === "assert" ? assert : verifyVisible)(live, itemsOf(queue, settings))
}

/**
 * Binds a queue to the direct exchange by its name, as all queues of this library are.
 *
 * @category running
 * @since 0.1.0
 */
export const bindByName = (live: Live, queue: string): Effect.Effect<void, Reason> =>
  assert(live, [binding(queue, live.settings.deadLetterExchange, queue)])
