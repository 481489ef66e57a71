/**
 * Finds out about alarms. RabbitMQ reports them only to connections that publish.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { AmqpConnection, Live } from "../AmqpConnection.ts"
import * as AmqpChannel from "./AmqpChannel.ts"

/** A routing key that no queue is bound by: names of queues contain no ":". */
const unbound = "eb:no-queue"

/**
 * Makes an effect that publishes an empty message to no queue, on a channel that
 * RabbitMQ may close. It succeeds when RabbitMQ has taken the message or has reported
 * an alarm. It does nothing once the user has turned out to lack the permission.
 */
export const make = Effect.fnUntraced(function* (
  connection: AmqpConnection
): Effect.fn.Return<{ readonly ask: Effect.Effect<void> }, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const { deadLetterExchange } = connection.settings
  let mayAsk = true

  const publish = (live: Live) =>
    AmqpChannel.throwaway(live, (ask) =>
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
