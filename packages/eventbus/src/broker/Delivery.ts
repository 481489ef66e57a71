/**
 * One message on its way from a broker to the bus.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Metrics from "../telemetry/Metrics.ts"
import type { Envelope } from "./Envelope.ts"

/**
 * A message that a broker hands out, to be settled once: acknowledged or given back.
 * Both effects never fail. A delivery that is no longer live (its channel is gone)
 * belongs to the broker again: settling it does nothing but count, and the broker
 * delivers the message again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  readonly envelope: Envelope
  /** Whether the broker handed the message out before. */
  readonly redelivered: boolean
  /** Returns whether the delivery can still be settled. */
  isLive(): boolean
  /** Removes the message from its queue. */
  readonly ack: Effect.Effect<void>
  /** Puts the message back to where it was in its queue. */
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
