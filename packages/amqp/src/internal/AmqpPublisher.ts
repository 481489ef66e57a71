/**
 * Publishes, and tells of each publish what became of it. What was in flight when a
 * channel died is sent again on the next one, until its deadline.
 *
 * What was refused before is tried on a channel of its own, because it will most
 * likely be refused again, which closes the channel.
 *
 * @since 0.1.0
 */

import type { Reason as BrokerReason } from "effect-eventbus/BrokerError"
import type { Envelope } from "effect-eventbus/Envelope"
import { Disconnected, NotPermitted, type Reason } from "effect-eventbus/PublishError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as AmqpConnection from "../AmqpConnection.ts"
import type { Settings } from "../AmqpOptions.ts"
import * as AmqpTopology from "../AmqpTopology.ts"
import * as AmqpMessage from "./AmqpMessage.ts"
import * as PublishLane from "./PublishLane.ts"
import { TrackRecord } from "./TrackRecord.ts"

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
  const live = yield* connection.live
  yield* AmqpTopology.exchanges(live, settings)
  const record = new TrackRecord()
  const makeLane = PublishLane.make({ connection, settings, live, record, onExchangeRestored })
  const lane = yield* makeLane
  const refusedLane = yield* makeLane
  const lanes = [lane, refusedLane]
  yield* Effect.addFinalizer(() =>
    Effect.forEach(lanes, ({ flushed }) => flushed, { concurrency: "unbounded", discard: true }).pipe(
      Effect.timeoutOption(flushTimeout),
      Effect.andThen(Effect.forEach(lanes, ({ end }) => end))
    )
  )
  yield* Effect.timeoutOption(lane.ready, settings.connectionTimeout)

  return {
    unconfirmed: () => lane.unconfirmed() + refusedLane.unconfirmed(),
    isAttached: lane.isAttached,
    publish: (exchange, routingKey, envelope) => {
      // It holds nothing of the envelope: what waits for its confirm is what the garbage collector moves.
      const message = new AmqpMessage.Message(exchange, routingKey, envelope)
      return Effect.callback((resume) => (record.hasRefused(message) ? refusedLane : lane).start(message, resume))
    }
  }
})
