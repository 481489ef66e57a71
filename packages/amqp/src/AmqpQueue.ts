/**
 * A queue of RabbitMQ by its name, for tools that inspect, unbind or delete it.
 *
 * @since 0.1.0
 */

import type { QueueInfo } from "effect-eventbus/Broker"
import type { Reason } from "effect-eventbus/BrokerError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Live } from "./AmqpConnection.ts"
import type { Item } from "./AmqpTopology.ts"
import * as AmqpChannel from "./internal/AmqpChannel.ts"

/**
 * Returns how many messages and consumers a queue has, if it exists.
 *
 * @category getters
 * @since 0.1.0
 */
export const info = (
  live: Live,
  name: string
): Effect.Effect<Option.Option<QueueInfo>, Exclude<Reason, { readonly _tag: "NotFound" }>> =>
  AmqpChannel.throwaway(live, (ask) => ask(`look at the queue "${name}"`, (channel) => channel.checkQueue(name))).pipe(
    Effect.map(({ consumerCount, messageCount }) =>
      Option.some({ name, messages: messageCount, consumers: consumerCount })
    ),
    Effect.catchTag("NotFound", () => Effect.succeedNone)
  )

/**
 * Deletes a queue with its messages and bindings, and returns the number of messages.
 * There are none where the queue does not exist.
 *
 * @category running
 * @since 0.1.0
 */
export const remove = (live: Live, name: string): Effect.Effect<number, Reason> =>
  AmqpChannel.throwaway(live, (ask) => ask(`delete the queue "${name}"`, (channel) => channel.deleteQueue(name))).pipe(
    Effect.map(({ messageCount }) => messageCount)
  )

/** A binding of a queue. */
type Binding = Pick<Extract<Item, { readonly _tag: "Binding" }>, "exchange" | "key">

/**
 * Removes a binding of a queue. Removing one that does not exist changes nothing.
 *
 * @category running
 * @since 0.1.0
 */
export const unbind = (live: Live, name: string, { exchange, key }: Binding): Effect.Effect<void, Reason> =>
  AmqpChannel.throwaway(live, (ask) =>
    ask(`unbind the queue "${name}" by "${key}" at "${exchange}"`, (channel) =>
      channel.unbindQueue(name, exchange, key)
    )
  ).pipe(Effect.asVoid)

/**
 * Deletes a queue that is empty and has no consumers. Returns `undefined` when it was
 * deleted, and otherwise what it has: then it stays as it was.
 *
 * **Details**
 *
 * A quorum queue does not support RabbitMQ's own conditions for a deletion. So the bindings
 * go first, and then the queue is looked at: an event that is published after that does not
 * come to this queue, and its publisher learns so.
 *
 * @category running
 * @since 0.1.0
 */
export const removeIdle = (
  live: Live,
  name: string,
  bindings: ReadonlyArray<Binding>
): Effect.Effect<QueueInfo | undefined, Reason> => {
  const on = <A>(f: (ask: AmqpChannel.Ask) => Effect.Effect<A, Reason>) => AmqpChannel.throwaway(live, f)
  const change = (ask: AmqpChannel.Ask, method: "bindQueue" | "unbindQueue") =>
    Effect.forEach(
      bindings,
      ({ exchange, key }) =>
        ask(
          `${method === "bindQueue" ? "bind" : "unbind"} the queue "${name}" by "${key}" at "${exchange}"`,
          (channel) => channel[method](name, exchange, key)
        ),
      { discard: true }
    )
  const look = (ask: AmqpChannel.Ask): Effect.Effect<QueueInfo, Reason> =>
    Effect.map(
      ask(`look at the queue "${name}"`, (channel) => channel.checkQueue(name)),
      ({ consumerCount, messageCount }) => ({ name, messages: messageCount, consumers: consumerCount })
    )
  const isIdle = ({ consumers, messages }: QueueInfo) => consumers === 0 && messages === 0
  const remove = on((ask) =>
    Effect.gen(function* () {
      yield* change(ask, "unbindQueue")
      const info = yield* look(ask)
      if (!isIdle(info)) return info
      yield* ask(`delete the queue "${name}"`, (channel) => channel.deleteQueue(name))
      return undefined
    })
  )
  const restore = on((ask) => change(ask, "bindQueue"))
  const removed = remove.pipe(
    Effect.tap((left) => (left === undefined ? Effect.void : restore)),
    Effect.tapError(() => Effect.ignore(restore))
  )
  // An interruption in between would leave a queue without its bindings.
  return Effect.flatMap(on(look), (info) =>
    isIdle(info) ? Effect.uninterruptible(removed) : Effect.succeed<QueueInfo | undefined>(info)
  )
}
