/**
 * The lock of a look at a queue.
 *
 * AMQP has no locks, but a queue that is exclusive belongs to one connection, and no other
 * connection can declare it meanwhile. It goes with its connection, so a process that dies
 * holds no lock.
 *
 * @internal
 */

import type { Reason } from "effect-eventbus/BrokerError"
import { TimedOut } from "effect-eventbus/BrokerError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { closeTimeout, type Live } from "../AmqpConnection.ts"
import * as AmqpTopology from "../AmqpTopology.ts"
import * as AmqpChannel from "./AmqpChannel.ts"
import * as AmqpError from "./AmqpError.ts"

/** The interval between two attempts to take the lock, in milliseconds. RabbitMQ logs each that fails. */
const interval = 50

/** Whether another connection holds the lock, or goes away with it just now. */
const isHeld = (reason: Reason): boolean => AmqpError.isLocked(reason) || reason._tag === "NotFound"

/** Opens a channel, and declares the lock on it. A refusal closes the channel. */
const take = Effect.fnUntraced(function* (
  live: Live,
  queue: string
): Effect.fn.Return<AmqpChannel.AmqpChannel, Reason, Scope.Scope> {
  const { arguments: args, durable, exclusive, name } = AmqpTopology.lookLock(queue)
  const channel = yield* AmqpChannel.open(live)
  const remove = (ask: AmqpChannel.Ask) =>
    ask(`release the lock of looks at "${queue}"`, (amqp) => amqp.deleteQueue(name))
  let isRefused = false
  // Before there is a lock, so that no interruption can come between the two.
  yield* Effect.addFinalizer(() => {
    if (isRefused || Deferred.isDoneUnsafe(live.lost)) return Effect.void
    // A channel that died during the look has left the lock behind.
    return (channel.isOpen() ? remove(channel.ask) : AmqpChannel.throwaway(live, remove, closeTimeout)).pipe(
      Effect.timeoutOption(closeTimeout),
      Effect.ignore
    )
  })
  yield* channel
    .ask(`lock the queue "${queue}" for a look`, (amqp) =>
      amqp.assertQueue(name, { durable, exclusive, autoDelete: exclusive, arguments: args })
    )
    .pipe(
      Effect.tapErrorTag(["Refused", "NotFound", "PermissionDenied"], () =>
        Effect.sync(() => {
          isRefused = true
        })
      )
    )
  return channel
})

/**
 * Opens a channel to look at a queue, as soon as no other connection looks at it. They
 * wait for this look until the scope closes. A user who may not declare the lock looks
 * without it.
 */
export const open = Effect.fnUntraced(function* (
  live: Live,
  queue: string
): Effect.fn.Return<AmqpChannel.AmqpChannel, Reason, Scope.Scope> {
  const { connectionTimeout } = live.settings
  const outer = yield* Effect.scope
  const attempt = Effect.flatMap(Scope.fork(outer), (scope) =>
    Effect.onError(Scope.provide(take(live, queue), scope), (cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  return yield* attempt.pipe(
    Effect.retry({
      schedule: Schedule.spaced(interval).pipe(Schedule.upTo({ duration: connectionTimeout })),
      while: isHeld
    }),
    Effect.catchTag("PermissionDenied", () => AmqpChannel.open(live)),
    Effect.mapError((reason) =>
      isHeld(reason)
        ? new TimedOut({ operation: `look through "${queue}" after another process`, millis: connectionTimeout })
        : reason
    )
  )
})
