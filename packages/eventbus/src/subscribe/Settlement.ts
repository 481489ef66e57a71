/**
 * How a delivery ends.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import type { Fault } from "../broker/Fault.ts"

/**
 * The event was handled: it leaves the queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ack {
  readonly _tag: "Ack"
}

/**
 * The event goes back to its queue as it is, at once, and no attempt is used
 * up: it was not handled at all.
 *
 * @category models
 * @since 0.1.0
 */
export interface Requeue {
  readonly _tag: "Requeue"
}

/**
 * The event comes back after a delay, with its attempt counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retry {
  readonly _tag: "Retry"
  readonly delay: Duration.Duration
  readonly fault: Fault | undefined
}

/**
 * The event goes to the dead letters of its queue, with the fault.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetter {
  readonly _tag: "DeadLetter"
  readonly fault: Fault | undefined
}

/**
 * The event was not handled, and leaves the queue all the same. It is counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Discard {
  readonly _tag: "Discard"
  readonly fault: Fault | undefined
}

/**
 * How a delivery ends.
 *
 * @category models
 * @since 0.1.0
 */
export type Settlement = Ack | Requeue | Retry | DeadLetter | Discard

/**
 * @category constructors
 * @since 0.1.0
 */
export const ack: Settlement = { _tag: "Ack" }

/**
 * @category constructors
 * @since 0.1.0
 */
export const requeue: Settlement = { _tag: "Requeue" }

/**
 * @category constructors
 * @since 0.1.0
 */
export const retry = (delay: Duration.Input, fault?: Fault | undefined): Settlement => ({
  _tag: "Retry",
  delay: Duration.fromInputUnsafe(delay),
  fault
})

/**
 * @category constructors
 * @since 0.1.0
 */
export const deadLetter = (fault?: Fault | undefined): Settlement => ({ _tag: "DeadLetter", fault })

/**
 * @category constructors
 * @since 0.1.0
 */
export const discard = (fault?: Fault | undefined): Settlement => ({ _tag: "Discard", fault })

/**
 * Says why, where a settlement has a place for it and none was given.
 *
 * @category combinators
 * @since 0.1.0
 */
export const because = (self: Settlement, fault: Fault): Settlement =>
  "fault" in self && self.fault === undefined ? { ...self, fault } : self

/**
 * Why a delivery that was not handled was not, where it says so.
 *
 * @category getters
 * @since 0.1.0
 */
export const faultOf = (self: Settlement): Fault | undefined => ("fault" in self ? self.fault : undefined)
