/**
 * One message on its way from a broker to the bus.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Metrics from "../telemetry/Metrics.ts"
import type { Envelope } from "./Envelope.ts"

/**
 * The reason why a layer around a broker could not open the body of a message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unreadable {
  /** A code such as `BodyGone`. It is the reason of the dead letter. */
  readonly code: string
  readonly detail: string
}

/**
 * A message that a broker hands out, to be settled once: acknowledged or given back.
 * Neither effect fails. A delivery whose channel is gone is no longer live: it belongs
 * to the broker again, which delivers the message again. Settling it only counts a stale
 * settlement.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  readonly envelope: Envelope
  /** Whether the broker handed the message out before. */
  readonly redelivered: boolean
  /** The reason why the body cannot be read. The bus dead-letters the message as it is, without decoding it. */
  readonly unreadable?: Unreadable | undefined
  /** The number of times that the message was put back, if the broker counts them and dead-letters it in the end. */
  readonly returns?: number | undefined
  /**
   * The identity of what brought it, such as a channel. While it is the same, no other
   * consumer has received messages in between, if only one is active at a time.
   */
  readonly session?: unknown
  /** Returns whether the delivery can still be settled. */
  isLive(): boolean
  /** Removes the message from its queue. */
  readonly ack: Effect.Effect<void>
  /** Puts the message back where it was in its queue. */
  readonly requeue: Effect.Effect<void>
}

/**
 * Counts a settlement that came after the delivery was no longer live.
 *
 * @category metrics
 * @since 0.1.0
 */
export const countStale: Effect.Effect<void> = Effect.map(Metrics.registry, (registry) =>
  Metrics.all.staleSettlements.series(registry, {})(1)
)
