/**
 * One event on its way to one handler.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Metrics from "../telemetry/Metrics.ts"
import type { Envelope } from "./Envelope.ts"

/**
 * What a broker hands out. Each delivery is settled once, by one of its four
 * effects; they wait until the broker has it safe, and never fail. A delivery
 * that is no longer live (its channel is gone) belongs to the broker again:
 * settling it is a no-op that is counted, and the event is delivered anew.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  readonly envelope: Envelope
  /** Whether the broker handed it out before. */
  readonly redelivered: boolean
  isLive(): boolean
  readonly ack: Effect.Effect<void>
  readonly requeue: Effect.Effect<void>
  /** Keeps the envelope for a number of milliseconds and then puts it into the queue again. */
  retry(envelope: Envelope, delay: number): Effect.Effect<void>
  /** Puts the envelope into the queue's dead letters. */
  deadLetter(envelope: Envelope): Effect.Effect<void>
}

/**
 * Counts a settlement that came after the delivery was no longer live. Brokers
 * call it.
 *
 * @category metrics
 * @since 0.1.0
 */
export const countStale: Effect.Effect<void> = Effect.map(Metrics.registry, (registry) =>
  Metrics.all.staleSettlements.series(registry, {})(1)
)
