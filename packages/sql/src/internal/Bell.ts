/**
 * Wakes those who wait for new rows.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/** The rings that one relay hears. Its workers share them: each ring wakes one. */
export interface Ear {
  /** Waits for the next ring, or takes one that came since the last time. */
  readonly wait: Effect.Effect<void>
  /** Wakes another worker of the relay. */
  readonly ring: () => void
}

export interface Bell {
  readonly ring: () => void
  /** The number of rings so far. */
  readonly rings: () => number
  /** Whether someone hears it. */
  readonly isHeard: () => boolean
  readonly hear: Effect.Effect<Ear, never, Scope.Scope>
}

export const make = (): Bell => {
  const ears = new Set<Queue.Queue<void>>()
  let rings = 0
  return {
    rings: () => rings,
    ring: () => {
      rings++
      for (const ear of ears) Queue.offerUnsafe(ear, undefined)
    },
    isHeard: () => ears.size > 0,
    hear: Effect.map(
      Effect.acquireRelease(
        Effect.tap(Queue.sliding<void>(1), (ear) => Effect.sync(() => ears.add(ear))),
        (ear) => Effect.sync(() => ears.delete(ear))
      ),
      (ear) => ({ wait: Queue.take(ear), ring: () => void Queue.offerUnsafe(ear, undefined) })
    )
  }
}
