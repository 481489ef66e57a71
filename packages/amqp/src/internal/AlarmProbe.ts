/**
 * Asks RabbitMQ for an alarm, of which it tells only those who publish.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { AmqpConnection, Live } from "../AmqpConnection.ts"
import type { Settings } from "../AmqpOptions.ts"
import * as AmqpChannel from "./AmqpChannel.ts"

/** No queue is bound to the dead letters by this: ":" is in no name of a queue. */
const unbound = "eb:no-queue"

/**
 * Makes what publishes an empty message to no queue, on a channel that RabbitMQ may
 * close, and succeeds when RabbitMQ has taken it, or has said that it is blocked. It
 * does nothing for a user who has turned out not to be allowed to.
 */
export const make = Effect.fnUntraced(function* (
  connection: AmqpConnection,
  settings: Settings
): Effect.fn.Return<{ readonly ask: Effect.Effect<void> }, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const { deadLetterExchange } = settings
  let mayAsk = true

  const publish = (live: Live) =>
    AmqpChannel.throwaway(live, settings.connectionTimeout, (ask) =>
      ask("publish to no queue", (channel) => {
        channel.publish(deadLetterExchange, unbound, Buffer.alloc(0))
        return channel.checkExchange(deadLetterExchange)
      })
    ).pipe(
      Effect.catch((reason) =>
        Effect.sync(() => {
          mayAsk = reason._tag !== "PermissionDenied"
        })
      )
    )

  const ask = Effect.suspend(() => {
    const live = connection.current()
    if (!mayAsk || live === undefined || live.blocked !== undefined) return Effect.void
    // In the background, for a blocked broker does not even answer to a goodbye.
    return Effect.flatMap(Effect.forkIn(publish(live), scope), (fiber) =>
      Effect.raceFirst(Effect.asVoid(Fiber.join(fiber)), live.blocking.await)
    )
  })
  return { ask }
})
