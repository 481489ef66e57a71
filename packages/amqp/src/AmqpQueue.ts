/**
 * A queue of RabbitMQ by its name, for tools that inspect or delete it.
 *
 * @since 0.1.0
 */

import type { QueueInfo } from "effect-eventbus/Broker"
import type { Reason } from "effect-eventbus/BrokerError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Live } from "./AmqpConnection.ts"
import type { Settings } from "./AmqpOptions.ts"
import * as AmqpChannel from "./internal/AmqpChannel.ts"

/**
 * Returns how many messages and consumers a queue has, if it exists.
 *
 * @category getters
 * @since 0.1.0
 */
export const info = (
  live: Live,
  settings: Settings,
  name: string
): Effect.Effect<Option.Option<QueueInfo>, Exclude<Reason, { readonly _tag: "NotFound" }>> =>
  AmqpChannel.throwaway(live, settings.connectionTimeout, (ask) =>
    ask(`look at the queue "${name}"`, (channel) => channel.checkQueue(name))
  ).pipe(
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
export const remove = (live: Live, settings: Settings, name: string): Effect.Effect<number, Reason> =>
  AmqpChannel.throwaway(live, settings.connectionTimeout, (ask) =>
    ask(`delete the queue "${name}"`, (channel) => channel.deleteQueue(name))
  ).pipe(Effect.map(({ messageCount }) => messageCount))
