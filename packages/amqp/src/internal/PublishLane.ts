/**
 * A channel for publishing, and the next one when it is closed.
 *
 * @since 0.1.0
 */

import { Blocked, Disconnected, type Reason, Timeout } from "effect-eventbus/PublishError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type * as AmqpConnection from "../AmqpConnection.ts"
import * as AmqpTopology from "../AmqpTopology.ts"
import * as AmqpChannel from "./AmqpChannel.ts"
import * as AmqpError from "./AmqpError.ts"
import type { Message } from "./AmqpMessage.ts"
import { AmqpSender } from "./AmqpSender.ts"
import { Outgoing } from "./ConfirmWindow.ts"
import type { Quarantine } from "./Quarantine.ts"
import { Refusal } from "./Refusal.ts"
import { supervise } from "./supervise.ts"
import type { TrackRecord } from "./TrackRecord.ts"

/**
 * A channel for publishing. It is opened when it is first needed, and again when it is
 * closed.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishLane {
  /**
   * Starts a publish, and returns an effect that gives it up. It succeeds when the
   * broker has confirmed the message and a queue has it.
   */
  readonly start: (
    message: Message,
    resume: (outcome: Effect.Effect<void, Reason>) => void
  ) => Effect.Effect<void> | void
  readonly unconfirmed: () => number
  readonly isAttached: () => boolean
  /** Succeeds when there is a channel. Opens one if none was needed before. */
  readonly ready: Effect.Effect<void>
  /** Succeeds when everything is confirmed. */
  readonly flushed: Effect.Effect<void>
  /** Fails all remaining and later publishes. */
  readonly end: Effect.Effect<void>
}

/** The interval at which deadlines are checked, in milliseconds. */
const sweepInterval = 100

/**
 * Makes a lane on a connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: {
  readonly connection: AmqpConnection.AmqpConnection
  /** The connection on which the exchanges have just been declared. */
  readonly live: AmqpConnection.Live
  /** The record of what the broker has taken, which all lanes share. */
  readonly record: TrackRecord
  /** Shared by all lanes on this connection. */
  readonly quarantine: Quarantine
  /** Runs after a deleted exchange was declared again. Its bindings are gone, too. */
  readonly onExchangeRestored: Effect.Effect<void>
}): Effect.fn.Return<PublishLane, never, Scope.Scope> {
  const { connection, onExchangeRestored, quarantine, record } = options
  const { settings } = connection
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  /** Why there is no channel, in words. */
  let trouble = "not connected"
  let exchangeWasGone = false
  let previous = options.live
  let closed = false
  const wanted = Latch.makeUnsafe(false)
  const ready = Latch.makeUnsafe(false)
  /** Open when the channel no longer confirms anything. */
  const stuck = Latch.makeUnsafe(false)
  const idle = Latch.makeUnsafe(false)

  const sender = new AmqpSender({ ...settings, declares: settings.topology === "assert" }, record, quarantine, {
    isOpen: () => connection.current()?.blocked === undefined,
    onIdle: () => idle.openUnsafe(),
    now
  })
  const { window } = sender

  const open = Effect.gen(function* () {
    yield* wanted.await
    const live = yield* connection.up
    if (live !== previous) sender.reconnected()
    if (live !== previous || exchangeWasGone) yield* AmqpTopology.exchanges(live)
    previous = live
    if (exchangeWasGone) yield* onExchangeRestored
    exchangeWasGone = false
    return { live, opened: yield* AmqpChannel.openConfirm(live) }
  })

  /** Publishes on a channel until it is closed, and returns whether it was closed over a publish. */
  const session = Effect.gen(function* () {
    const { live, opened } = yield* Effect.tapError(open, (reason) =>
      Effect.sync(() => {
        trouble = reason.message
      })
    )
    stuck.closeUnsafe()
    ready.openUnsafe()
    opened.channel.on("return", ({ fields, properties }) =>
      sender.returned(properties.messageId, fields.exchange, fields.routingKey)
    )
    sender.attach(opened.channel, live.frameRoom)
    const ended = yield* Effect.raceFirst(Deferred.await(opened.closed), stuck.await)
    // Its channels are told of a connection's end before the connection is.
    if (ended === undefined) yield* Effect.yieldNow
    const error = ended ?? live.error
    const refusal = Refusal.of(error)
    const verdict = sender.detach(refusal, ended === undefined)
    trouble = AmqpError.detailOf(error ?? "the channel was closed")
    exchangeWasGone = refusal?.isOfMissingExchange === true
    if (ended !== undefined) {
      const log = verdict === "refused" ? Effect.logDebug : Effect.logWarning
      yield* log(`RabbitMQ closed the publishing channel: ${trouble}`)
    }
    return ended !== undefined && verdict !== "lost"
  }).pipe(Effect.scoped)

  /** After a refusal the next channel is opened at once, so that other publishes are hardly affected. */
  const sessions = Effect.repeat(session, { while: (wasRefused) => wasRefused })

  /** Returns why a publish has waited for so long. */
  const overdue = (outgoing: Outgoing, isInFlight: boolean): Reason => {
    const millis = settings.publishTimeout
    const live = connection.current()
    if (isInFlight) return new Timeout({ millis })
    const waited: Reason =
      live === undefined
        ? new Disconnected({ detail: connection.trouble(), millis })
        : live.blocked !== undefined
          ? new Blocked({ detail: live.blocked, millis })
          : !sender.isAttached
            ? new Disconnected({ detail: trouble, millis })
            : new Blocked({ detail: `${window.unconfirmed} publishes are not confirmed yet`, millis })
    return outgoing.mayHaveLanded ? sender.doubtful(outgoing, waited.message) : waited
  }

  const sweep = Effect.sync(() => {
    sender.expire(now(), overdue)
    sender.sweep()
    // Confirms that never come must not fill the window for ever: a new channel starts with an empty one.
    if (sender.isAttached && window.deadline + settings.publishTimeout <= now()) stuck.openUnsafe()
  })

  const start: PublishLane["start"] = (message, resume) => {
    if (closed) return resume(Effect.fail(new Disconnected({ detail: "the bus is closed", millis: 0 })))
    if (window.isFull) {
      return resume(Effect.fail(new Blocked({ detail: "too many publishes wait to be sent", millis: 0 })))
    }
    const outgoing = new Outgoing(message, now() + settings.publishTimeout, (reason) =>
      resume(reason === undefined ? Effect.void : Effect.fail(reason))
    )
    wanted.openUnsafe()
    sender.add(outgoing)
    return Effect.sync(() => {
      outgoing.isDone = true
    })
  }

  const pump = () => sender.pump()
  yield* Effect.acquireRelease(
    Effect.sync(() => connection.onBlocked.add(pump)),
    () => Effect.sync(() => connection.onBlocked.delete(pump))
  )
  yield* Effect.forkScoped(supervise(sessions))
  const sweeps = Effect.forever(Effect.andThen(Effect.sleep(sweepInterval), sweep))
  yield* Effect.forkScoped(supervise(Effect.andThen(wanted.await, sweeps)))

  return {
    start,
    unconfirmed: () => window.unconfirmed,
    isAttached: () => sender.isAttached,
    ready: Effect.suspend(() => {
      wanted.openUnsafe()
      return ready.await
    }),
    flushed: Effect.suspend(() => {
      idle.closeUnsafe()
      return window.isIdle ? Effect.void : idle.await
    }),
    end: Effect.sync(() => {
      closed = true
      sender.expire(Infinity, overdue)
    })
  }
})
