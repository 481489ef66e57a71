/**
 * Publishes, and knows what became of each publish.
 *
 * Every message is mandatory and confirmed. One that no queue wants is returned
 * by the broker before it is confirmed, so a confirm is believed only when no
 * return came first (https://www.rabbitmq.com/docs/confirms). What was in flight
 * when a channel died is sent again on the next one, until its deadline.
 *
 * @since 0.1.0
 */

import type { ConfirmChannel } from "amqplib"
import type { Reason as BrokerReason } from "effect-eventbus/BrokerError"
import type { Envelope } from "effect-eventbus/Envelope"
import {
  Blocked,
  Disconnected,
  EncodeFailed,
  Nacked,
  NotPermitted,
  type Reason,
  Timeout,
  TooLarge,
  Unroutable
} from "effect-eventbus/PublishError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type * as AmqpConnection from "../AmqpConnection.ts"
import type { Settings } from "../AmqpOptions.ts"
import * as AmqpTopology from "../AmqpTopology.ts"
import * as AmqpChannel from "./AmqpChannel.ts"
import * as AmqpError from "./AmqpError.ts"
import * as AmqpMessage from "./AmqpMessage.ts"
import { Outgoing, ConfirmWindow } from "./ConfirmWindow.ts"
import { supervise } from "./supervise.ts"

/**
 * Publishes to an exchange.
 *
 * @category models
 * @since 0.1.0
 */
export interface AmqpPublisher {
  /** Succeeds when the broker has confirmed the message, and at least one queue has it. */
  readonly publish: (exchange: string, routingKey: string, envelope: Envelope) => Effect.Effect<void, Reason>
  readonly unconfirmed: () => number
  /** Whether there is a channel to publish on right now. */
  readonly isAttached: () => boolean
}

/**
 * Why a publish failed that needed something else of the broker first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromBroker = (reason: BrokerReason): Reason =>
  reason._tag === "PermissionDenied"
    ? new NotPermitted({ detail: reason.message })
    : new Disconnected({ detail: reason.message, millis: 0 })

/** How often deadlines are looked at. */
const sweepInterval = 100
/** How long the goodbye waits for confirms. */
const flushTimeout = 5000

/**
 * Makes a publisher on a connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  connection: AmqpConnection.AmqpConnection,
  settings: Settings,
  /** Run after an exchange that had gone is there again: the bindings to it are gone, too. */
  onExchangeRestored: Effect.Effect<void>
): Effect.fn.Return<AmqpPublisher, BrokerReason, Scope.Scope> {
  const clock = yield* Clock.Clock
  const window = new ConfirmWindow(settings.maxInFlight, settings.maxInFlightBytes)
  let channel: ConfirmChannel | undefined
  /** Why there is no channel, in words. */
  let trouble = "not connected"
  let exchangeWasGone = false
  let previous: AmqpConnection.Live | undefined
  /** The largest body that the broker takes, once it has said so: to hear it again would cost another channel. */
  let limit = Infinity
  let closed = false
  const ready = Latch.makeUnsafe(false)
  /** Open when the channel confirms nothing any more. */
  const stuck = Latch.makeUnsafe(false)
  const idleLatch = Latch.makeUnsafe(false)
  const idle = Effect.suspend(() => {
    idleLatch.closeUnsafe()
    return window.isIdle ? Effect.void : idleLatch.await
  })

  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  const settle = (outgoing: Outgoing, reason: Reason | undefined): void => {
    if (outgoing.isDone) return
    outgoing.isDone = true
    outgoing.settle(reason)
  }

  const shrunk = (): void => {
    pump()
    if (window.isIdle) idleLatch.openUnsafe()
  }

  const confirmed = (outgoing: Outgoing, error: unknown): void => {
    // A channel that closes answers for all of its publishes: `lost` decides on those.
    if (error !== null && !(error instanceof Error && error.message === "message nacked")) return
    window.landed(outgoing)
    const { mayHaveLanded, message, wasReturned } = outgoing
    const { routingKey } = message
    if (error === null && !wasReturned) settle(outgoing, undefined)
    // What came of this sending says nothing of the one before it.
    else if (mayHaveLanded) settle(outgoing, new Timeout({ millis: settings.publishTimeout }))
    else settle(outgoing, wasReturned ? new Unroutable({ routingKey }) : new Nacked({ routingKey }))
    shrunk()
  }

  const tooLarge = (outgoing: Outgoing): void =>
    settle(outgoing, new TooLarge({ bytes: outgoing.message.content.length, limit }))

  /** Sends as much as the window has room for. */
  const pump = (): void => {
    while (channel !== undefined && connection.current()?.blocked === undefined) {
      const outgoing = window.next()
      if (outgoing === undefined) return
      const { content, exchange, properties, routingKey } = outgoing.message
      if (content.length > limit) {
        window.landed(outgoing)
        tooLarge(outgoing)
        if (window.isIdle) idleLatch.openUnsafe()
        continue
      }
      outgoing.wasReturned = false
      try {
        channel.publish(exchange, routingKey, content, properties, (error: unknown) => confirmed(outgoing, error))
      } catch (error) {
        // Either the channel has died under us, and its `close` puts this one back too, or it cannot be said in AMQP.
        if (error instanceof Error && error.name === "IllegalOperationError") channel = undefined
        else {
          window.landed(outgoing)
          settle(outgoing, new EncodeFailed({ detail: AmqpError.detailOf(error) }))
          if (window.isIdle) idleLatch.openUnsafe()
        }
      }
    }
  }

  /** Decides what becomes of the publishes that a dying channel leaves. */
  const lost = (error: unknown): void => {
    const code = AmqpError.replyCode(error)
    const detail = AmqpError.detailOf(error ?? "the channel was closed")
    const exchange = /exchange '([^']*)' in vhost/.exec(detail)?.[1]
    const topic = /access to topic '(.*)' in exchange/.exec(detail)?.[1]
    const size = code === 406 ? /max size (\d+)/.exec(detail)?.[1] : undefined
    if (size !== undefined) limit = Number(size)
    trouble = detail
    exchangeWasGone = code === 404
    window.reclaim((outgoing) => {
      const { message } = outgoing
      if (message.content.length > limit) return tooLarge(outgoing)
      const isRefused = message.exchange === exchange && message.routingKey === (topic ?? message.routingKey)
      // What the broker refused to take has not landed, unless an earlier sending of it has.
      if (!isRefused) outgoing.mayHaveLanded = true
      if (code === 403 && !outgoing.mayHaveLanded) settle(outgoing, new NotPermitted({ detail }))
    })
    if (window.isIdle) idleLatch.openUnsafe()
  }

  const open = Effect.gen(function* () {
    const live = yield* connection.up
    if (live !== previous) limit = Infinity
    previous = live
    yield* AmqpTopology.exchanges(live, settings)
    if (exchangeWasGone) yield* onExchangeRestored
    exchangeWasGone = false
    return yield* AmqpChannel.openConfirm(live, settings.connectionTimeout)
  })

  /** Publishes on a channel for as long as it is open. */
  const session = Effect.scoped(
    Effect.gen(function* () {
      const opened = yield* Effect.tapError(open, (reason) => Effect.sync(() => (trouble = reason.message)))
      opened.channel.on("return", ({ fields, properties }) => {
        const outgoing = window.returned(properties.messageId, fields.exchange, fields.routingKey)
        if (outgoing !== undefined) outgoing.wasReturned = true
      })
      channel = opened.channel
      stuck.closeUnsafe()
      ready.openUnsafe()
      pump()
      const error = yield* Effect.raceFirst(Deferred.await(opened.closed), stuck.await)
      channel = undefined
      lost(error)
      if (error !== undefined) yield* Effect.logWarning(`RabbitMQ closed the publishing channel: ${trouble}`)
    })
  )

  /** Why a publish has waited for so long. */
  const overdue = (outgoing: Outgoing, isInFlight: boolean): Reason => {
    const millis = settings.publishTimeout
    const live = connection.current()
    if (isInFlight || outgoing.mayHaveLanded) return new Timeout({ millis })
    if (live === undefined) return new Disconnected({ detail: connection.trouble(), millis })
    if (live.blocked !== undefined) return new Blocked({ detail: live.blocked, millis })
    if (channel === undefined) return new Disconnected({ detail: trouble, millis })
    return new Blocked({ detail: `${window.unconfirmed} publishes are not confirmed yet`, millis })
  }

  const expire = (at: number): void => {
    window.expire(at, (outgoing, isInFlight) => settle(outgoing, overdue(outgoing, isInFlight)))
    if (window.isIdle) idleLatch.openUnsafe()
  }

  const sweep = Effect.sync(() => {
    expire(now())
    // Confirms that never come must not fill the window for ever: a new channel starts with an empty one.
    if (channel !== undefined && window.deadline + settings.publishTimeout <= now()) stuck.openUnsafe()
  })

  /** It holds nothing of the envelope: what waits for its confirm is what the garbage collector moves. */
  const send = (message: AmqpMessage.Message): Effect.Effect<void, Reason> =>
    Effect.callback((resume) => {
      if (closed) return resume(Effect.fail(new Disconnected({ detail: "the bus is closed", millis: 0 })))
      const outgoing = new Outgoing(message, now() + settings.publishTimeout, (reason) =>
        resume(reason === undefined ? Effect.void : Effect.fail(reason))
      )
      window.add(outgoing)
      pump()
      return Effect.sync(() => {
        outgoing.isDone = true
      })
    })

  connection.onBlocked = pump
  yield* AmqpTopology.exchanges(yield* connection.live, settings)
  yield* Effect.forkScoped(supervise(session))
  yield* Effect.forkScoped(supervise(Effect.forever(Effect.andThen(Effect.sleep(sweepInterval), sweep))))
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      Effect.timeoutOption(idle, flushTimeout),
      Effect.sync(() => {
        closed = true
        expire(Infinity)
      })
    )
  )
  yield* Effect.timeoutOption(ready.await, settings.connectionTimeout)

  return {
    unconfirmed: () => window.unconfirmed,
    isAttached: () => channel !== undefined,
    publish: (exchange, routingKey, envelope) => send(new AmqpMessage.Message(exchange, routingKey, envelope))
  }
})
