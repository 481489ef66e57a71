/**
 * A channel of a connection, for as long as its scope is open.
 *
 * What is asked of it never waits for ever: every answer is raced against the
 * end of the channel and against a timeout, because amqplib answers neither when
 * the connection dies on the way.
 *
 * @since 0.1.0
 */

import type { Channel, ConfirmChannel } from "amqplib"
import { TimedOut } from "effect-eventbus/BrokerError"
import type { Reason } from "effect-eventbus/BrokerError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { closeTimeout } from "../AmqpConnection.ts"
import type { Live } from "../AmqpConnection.ts"
import * as AmqpError from "./AmqpError.ts"

/**
 * Asks something of the broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ask<out C extends Channel = Channel> {
  <A>(operation: string, f: (channel: C) => Promise<A>): Effect.Effect<A, Reason>
}

/**
 * A channel that is open, until `closed`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AmqpChannel<out C extends Channel = Channel> {
  readonly channel: C
  readonly isOpen: () => boolean
  /** Succeeds with the error that ended the channel, or with `undefined` when nobody said why. */
  readonly closed: Deferred.Deferred<unknown>
  readonly ask: Ask<C>
}

const make = Effect.fnUntraced(function* <C extends Channel>(
  live: Live,
  timeout: number,
  create: () => Promise<C>
): Effect.fn.Return<AmqpChannel<C>, Reason, Scope.Scope> {
  const { address } = live
  const closed = Deferred.makeUnsafe<unknown>()
  let error: unknown

  const bounded = <A>(operation: string, promise: () => Promise<A>): Effect.Effect<A, Reason> =>
    Effect.tryPromise({
      try: promise,
      catch: (cause) => AmqpError.fromChannel(cause, { operation, address })
    }).pipe(
      Effect.raceFirst(
        Effect.flatMap(Deferred.await(closed), (cause) =>
          Effect.fail(AmqpError.fromChannel(cause ?? "the channel is closed", { operation, address }))
        )
      ),
      Effect.raceFirst(
        Effect.flatMap(Deferred.await(live.lost), (cause) =>
          Effect.fail(AmqpError.fromChannel(cause, { operation, address }))
        )
      ),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(new TimedOut({ operation, millis: timeout }))
      })
    )

  let wanted = true
  // A channel `error` that nobody hears kills the whole connection, so the listeners come before anything else.
  const listening = (channel: C): C => {
    channel.on("error", (cause) => {
      error = cause
    })
    channel.on("close", () => {
      Deferred.doneUnsafe(closed, Effect.succeed(error))
    })
    if (!wanted) void channel.close().catch(() => {})
    return channel
  }

  const isOpen = () => !Deferred.isDoneUnsafe(closed)
  const channel = yield* Effect.acquireRelease(
    bounded("open a channel", () => create().then(listening)).pipe(
      Effect.onError(() =>
        Effect.sync(() => {
          wanted = false
        })
      )
    ),
    (channel) =>
      Effect.suspend(() =>
        isOpen()
          ? bounded("close a channel", () => channel.close()).pipe(Effect.timeoutOption(closeTimeout), Effect.ignore)
          : Effect.void
      ),
    { interruptible: true }
  )
  return {
    channel,
    isOpen,
    closed,
    ask: (operation, f) => bounded(operation, () => f(channel))
  }
})

/**
 * Opens a channel.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = (live: Live, timeout: number): Effect.Effect<AmqpChannel, Reason, Scope.Scope> =>
  make(live, timeout, () => live.model.createChannel())

/**
 * Opens a channel on which the broker confirms what is published.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openConfirm = (
  live: Live,
  timeout: number
): Effect.Effect<AmqpChannel<ConfirmChannel>, Reason, Scope.Scope> =>
  make(live, timeout, () => live.model.createConfirmChannel())

/**
 * Asks something on a channel of its own, because an answer may be that the
 * channel is closed.
 *
 * @category running
 * @since 0.1.0
 */
export const throwaway = <A>(
  live: Live,
  timeout: number,
  f: (ask: Ask) => Effect.Effect<A, Reason>
): Effect.Effect<A, Reason> => Effect.scoped(Effect.flatMap(open(live, timeout), ({ ask }) => f(ask)))
