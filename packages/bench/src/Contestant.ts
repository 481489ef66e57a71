/**
 * A contestant of the bench: a library that can publish and handle events.
 *
 * @since 0.1.0
 */

import type { BenchTopology } from "./BenchTopology.ts"
import type { Payload } from "./SampleEvent.ts"
import type { Scenario } from "./Scenario.ts"

/**
 * The topology that a contestant works on, and the callbacks that it reports to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stage {
  readonly scenario: Scenario
  readonly topology: BenchTopology
  /** Returns the next event to publish and its routing key. */
  readonly next: () => { readonly payload: Payload; readonly routingKey: string }
  /** Whether the event is to fail at this attempt; the first one is 1. */
  readonly fails: (payload: Payload, attempt: number) => boolean
  /** Records that an event was handled. */
  readonly handled: (payload: Payload) => void
}

/**
 * A contestant that is connected.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  /**
   * Publishes `count` events with at most `inFlight` of them unconfirmed. Resolves when all
   * are confirmed. A scenario of requests wants replies instead, which count as handled.
   */
  readonly publish: (count: number, inFlight: number) => Promise<void>
  /** Publishes one event. */
  readonly publishOne: () => Promise<void>
  /** Handles the events of the topology's queues from now on, and acknowledges each one individually. */
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
  /** The package whose version the report names. */
  readonly package: string
  readonly open: (stage: Stage) => Promise<Session>
}

/**
 * Publishes through a function that publishes one event, with at most `inFlight` calls at once.
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
