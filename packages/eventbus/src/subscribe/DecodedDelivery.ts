/**
 * A delivery whose body has been decoded into an event.
 *
 * @since 0.1.0
 */

import type * as Effect from "effect/Effect"
import type { Envelope } from "../broker/Envelope.ts"
import type { Event } from "../event/Event.ts"
import type { Settlement } from "./Settlement.ts"

/**
 * The place of a delivery among those by which a paused subscription finds out whether it
 * can go on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Probe {
  /** The number of pauses in a row, each after a failure. 0 where there was none, as after a pause by a rate limit. */
  readonly pauses: number
  /** The time of the first of them, in milliseconds since 1970. Without one, the time of this delivery. */
  readonly since: number
}

/**
 * A delivery as a handler receives it, with its event.
 *
 * @category models
 * @since 0.1.0
 */
export interface DecodedDelivery<out E extends Event = Event> {
  readonly event: E
  readonly envelope: Envelope
  /** The queue that delivered the event. */
  readonly queue: string
  /** The number of this attempt, from 1. */
  readonly attempt: number
  /** Whether the broker has delivered the event before. */
  readonly redelivered: boolean
  /** Set on the one event at a time that a subscription takes after a pause. */
  readonly probe?: Probe | undefined
}

/**
 * A delivery that you settle yourself, as `EventBus.stream` hands it out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settleable<out E extends Event = Event> extends DecodedDelivery<E> {
  /** Ends the delivery. It never fails: the broker takes back what you do not settle. */
  readonly settle: (settlement: Settlement) => Effect.Effect<void>
}
