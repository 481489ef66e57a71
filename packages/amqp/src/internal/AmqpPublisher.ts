/**
 * Publishes messages, and reports the outcome of each. Messages that were in flight
 * when a channel died are sent again on the next one, until their deadline.
 *
 * Messages like a refused one are sent on a channel of their own, because they will
 * most likely be refused again, which closes the channel.
 *
 * @since 0.1.0
 */

import type { Reason as BrokerReason } from "effect-eventbus/BrokerError"
import type { Envelope } from "effect-eventbus/Envelope"
import { Disconnected, NotPermitted, type Reason } from "effect-eventbus/PublishError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as AmqpConnection from "../AmqpConnection.ts"
import * as AmqpTopology from "../AmqpTopology.ts"
import * as AmqpMessage from "./AmqpMessage.ts"
import * as PublishLane from "./PublishLane.ts"
import type { Quarantine } from "./Quarantine.ts"
import { TrackRecord } from "./TrackRecord.ts"

/**
 * Publishes to an exchange.
 *
 * @category models
 * @since 0.1.0
 */
export interface AmqpPublisher {
  /** Succeeds when the broker has confirmed the message and at least one queue has it. */
  readonly publish: (
    exchange: string,
    routingKey: string,
    envelope: Envelope,
    /** Headers beside those of the envelope. */
    headers?: AmqpMessage.ExtraHeaders
  ) => Effect.Effect<void, Reason>
  readonly unconfirmed: () => number
  /** Whether there is a channel to publish on right now. */
  readonly isAttached: () => boolean
}

/**
 * Returns the reason of a publish that failed because of another request that it
 * needed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromBroker = (reason: BrokerReason): Reason =>
  reason._tag === "PermissionDenied"
    ? new NotPermitted({ detail: reason.message })
    : new Disconnected({ detail: reason.message, millis: 0 })

/** The time for which closing waits for confirms, in milliseconds. */
const flushTimeout = 5000

/**
 * Makes a publisher on a connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  connection: AmqpConnection.AmqpConnection,
  /** Shared by all publishers on this connection. */
  quarantine: Quarantine,
  /** Runs after a deleted exchange was declared again. Its bindings are gone, too. */
  onExchangeRestored: Effect.Effect<void>
): Effect.fn.Return<AmqpPublisher, BrokerReason, Scope.Scope> {
  const live = yield* connection.live
  yield* AmqpTopology.exchanges(live)
  const record = new TrackRecord()
  const makeLane = PublishLane.make({ connection, live, record, quarantine, onExchangeRestored })
  const lane = yield* makeLane
  const refusedLane = yield* makeLane
  const lanes = [lane, refusedLane]
  yield* Effect.addFinalizer(() =>
    Effect.forEach(lanes, ({ flushed }) => flushed, { concurrency: "unbounded", discard: true }).pipe(
      Effect.timeoutOption(flushTimeout),
      Effect.andThen(Effect.forEach(lanes, ({ end }) => end))
    )
  )
  yield* Effect.timeoutOption(lane.ready, connection.settings.connectionTimeout)

  return {
    unconfirmed: () => lane.unconfirmed() + refusedLane.unconfirmed(),
    isAttached: lane.isAttached,
    publish: (exchange, routingKey, envelope, headers) => {
      // It holds nothing of the envelope: what waits for its confirm is what the garbage collector moves.
      const message = new AmqpMessage.Message(exchange, routingKey, envelope, headers)
      return Effect.callback((resume) => (record.hasRefused(message) ? refusedLane : lane).start(message, resume))
    }
  }
})
