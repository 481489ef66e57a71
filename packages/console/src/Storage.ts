/**
 * The outbox and the schedule of an application, as the console sees them.
 *
 * @since 0.1.0
 */

import type * as Effect from "effect/Effect"

/**
 * A parked event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parked {
  readonly eventId: string
  readonly eventType: string
  readonly key: string | undefined
  readonly bytes: number
  readonly parkedAt: Date
  readonly reason: string
}

/**
 * A scheduled event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scheduled {
  readonly id: string
  readonly eventType: string
  readonly key: string | undefined
  readonly due: Date
}

/** A failure whose message may be shown. */
interface Failed {
  readonly message: string
}

/**
 * The outbox and the schedule. `@effect-eventbus/sql` has all that it takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Storage {
  readonly outbox?:
    | {
        /** The number of events that wait and are parked, and the age of the oldest that waits, in milliseconds. */
        readonly stats: Effect.Effect<
          { readonly waiting: number; readonly parked: number; readonly oldest: number | undefined },
          Failed
        >
        /** Returns the first hundred parked events. */
        readonly parked: Effect.Effect<ReadonlyArray<Parked>, Failed>
        /** Puts a parked event back into the outbox, or all of them, and returns their number. */
        readonly requeue: (id: string | undefined) => Effect.Effect<number, Failed>
      }
    | undefined
  readonly schedule?:
    | {
        /** Returns the first hundred scheduled events, the next first. */
        readonly list: Effect.Effect<ReadonlyArray<Scheduled>, Failed>
        /** Cancels a scheduled event, and returns whether it was still there. */
        readonly cancel: (id: string) => Effect.Effect<boolean, Failed>
      }
    | undefined
}
