/**
 * The ways to end a delivery.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import type { Fault } from "../broker/Fault.ts"
import type { Reply } from "../event/Reply.ts"

/**
 * The settlement of a handled event: it leaves the queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ack {
  readonly _tag: "Ack"
  /** The reply to send first, if the event is a request. */
  readonly reply?: Reply | undefined
}

/**
 * The settlement of an event that was not handled at all: it goes back to its queue at
 * once and unchanged, and no attempt is counted.
 *
 * The event is not dead-lettered for that, however often it happens. Quorum queues of
 * RabbitMQ before 4.3 count the returns of a message and dead-letter it at the 21st. So an
 * event that was put back five times is published to its queue again, behind the events
 * that wait there, and its count starts again at zero.
 *
 * @category models
 * @since 0.1.0
 */
export interface Requeue {
  readonly _tag: "Requeue"
}

/**
 * The settlement of an event to retry: it comes back after a delay, and the attempt is
 * counted.
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
 * The settlement of an event to dead-letter: it moves to the dead letters of its queue,
 * with the fault.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetter {
  readonly _tag: "DeadLetter"
  readonly fault: Fault | undefined
}

/**
 * The settlement of an event to drop: it leaves the queue without being handled, and is
 * counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Discard {
  readonly _tag: "Discard"
  readonly fault: Fault | undefined
}

/**
 * The settlement of an event that must wait because its subscription has to: the event
 * goes back to its queue unchanged, no attempt is counted, and the subscription stops
 * taking events for the delay. Then it takes one at a time, until one is acknowledged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pause {
  readonly _tag: "Pause"
  readonly delay: Duration.Duration
  /** The reason in a few words, which health and `Running.state` report. Default: that of the fault. */
  readonly by: string | undefined
  readonly fault: Fault | undefined
}

/**
 * The way in which a delivery ends.
 *
 * @category models
 * @since 0.1.0
 */
export type Settlement = Ack | Requeue | Retry | DeadLetter | Discard | Pause

/**
 * Removes the event from its queue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ack: Settlement = { _tag: "Ack" }

/**
 * Replies to a request, and then removes it from its queue. An event that asks for no
 * reply is only removed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reply = (reply: Reply): Settlement => ({ _tag: "Ack", reply })

/**
 * Puts the event back into its queue, at once and unchanged.
 *
 * @category constructors
 * @since 0.1.0
 */
export const requeue: Settlement = { _tag: "Requeue" }

/**
 * Retries the event after a delay.
 *
 * @category constructors
 * @since 0.1.0
 */
export const retry = (delay: Duration.Input, fault?: Fault | undefined): Settlement => ({
  _tag: "Retry",
  delay: Duration.fromInputUnsafe(delay),
  fault
})

/**
 * Puts the event back into its queue unchanged, and pauses its subscription.
 *
 * **Details**
 *
 * After the delay, the subscription takes one event at a time, until one is acknowledged.
 * An infinite delay pauses it until it is resumed.
 *
 * **Gotchas**
 *
 * `EventBus.stream` takes events when you ask for them. It only puts the event back.
 *
 * @category constructors
 * @since 0.1.0
 */
export const pause = (
  delay: Duration.Input,
  options: { readonly by?: string | undefined; readonly fault?: Fault | undefined } = {}
): Settlement => ({
  _tag: "Pause",
  delay: Duration.fromInputUnsafe(delay),
  by: options.by,
  fault: options.fault
})

/**
 * Moves the event to the dead letters of its queue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deadLetter = (fault?: Fault | undefined): Settlement => ({ _tag: "DeadLetter", fault })

/**
 * Drops the event. It is counted, and logged as a warning.
 *
 * @category constructors
 * @since 0.1.0
 */
export const discard = (fault?: Fault | undefined): Settlement => ({ _tag: "Discard", fault })

/**
 * Adds a fault to a settlement that allows one and has none.
 *
 * @category combinators
 * @since 0.1.0
 */
export const because = (self: Settlement, fault: Fault): Settlement =>
  "fault" in self && self.fault === undefined ? { ...self, fault } : self

/**
 * Returns the fault of a settlement, if it has one.
 *
 * @category getters
 * @since 0.1.0
 */
export const faultOf = (self: Settlement): Fault | undefined => ("fault" in self ? self.fault : undefined)
