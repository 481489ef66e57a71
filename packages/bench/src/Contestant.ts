/**
 * What takes part: whatever can publish orders, and handle them.
 *
 * @since 0.1.0
 */

import type { Place } from "./BenchTopology.ts"
import type { Payload } from "./SampleEvent.ts"
import type { Scenario } from "./Scenario.ts"

/**
 * Where a contestant works, and whom it tells.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stage {
  readonly scenario: Scenario
  readonly place: Place
  /** The next order to publish, and under which key. */
  readonly next: () => { readonly payload: Payload; readonly routingKey: string }
  /** Whether the order is to fail at this attempt; the first one is 1. */
  readonly fails: (payload: Payload, attempt: number) => boolean
  /** Called with each order that was handled. */
  readonly handled: (payload: Payload) => void
}

/**
 * A contestant that is connected.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  /** Publishes so many orders, at most so many of them in flight. Resolves when all are confirmed. */
  readonly publish: (count: number, inFlight: number) => Promise<void>
  /** Publishes one order. */
  readonly publishOne: () => Promise<void>
  /** Handles the orders of the place's queues from now on. Each is acknowledged by itself. */
  readonly consume: () => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * A contestant.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contestant {
  /** The package whose version says what was measured. */
  readonly package: string
  readonly open: (stage: Stage) => Promise<Session>
}

/**
 * Publishes through a function that publishes one, so many in flight.
 *
 * @category combinators
 * @since 0.1.0
 */
export const windowed =
  (publishOne: () => Promise<void>): Session["publish"] =>
  async (count, inFlight) => {
    let left = count
    const lane = async () => {
      while (left > 0) {
        left -= 1
        await publishOne()
      }
    }
    await Promise.all(Array.from({ length: Math.min(count, inFlight) }, lane))
  }
