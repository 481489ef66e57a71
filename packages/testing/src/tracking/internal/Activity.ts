/**
 * The activity of a session: the steps so far, and the copies of events that are not settled.
 *
 * @internal
 */

import type { Envelope } from "effect-eventbus/Envelope"
import type { Event } from "effect-eventbus/Event"
import * as EventCodec from "effect-eventbus/EventCodec"
import type { Fault } from "effect-eventbus/Fault"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import type { TrackedDelivery } from "./TrackedDelivery.ts"

/** The queue of a delayed event, which comes to its queues when it is due. */
export const noQueue = ""

/** A copy of an event in a queue. */
export interface Copy {
  readonly activity: Activity
  readonly queue: string
  readonly envelope: Envelope
  /** The time at which it enters its queue, in milliseconds. */
  readonly dueAt: number
  /** The time at which it expires, in milliseconds. */
  readonly expiresAt: number
  state: "publishing" | "waiting" | "held"
  /** Its latest delivery. */
  delivery: TrackedDelivery | undefined
}

/** Something that happened to an event. */
export interface Step {
  readonly kind:
    | "published"
    | "replayed"
    | "unroutable"
    | "not published"
    | "handled"
    | "retried"
    | "dead-lettered"
    | "discarded"
    | "given back"
  /** The time, in milliseconds. */
  readonly at: number
  readonly envelope: Envelope
  /** The event, unless the body is none. */
  readonly event: Event | undefined
  /** The queue that delivered it, or `""`. */
  readonly queue: string
  readonly attempt: number
  readonly fault: Fault | undefined
  /** The milliseconds until the next attempt, or until a delayed event is due. */
  readonly delay: number | undefined
  /** The reason of a publish that failed. */
  readonly reason: string | undefined
}

/** The number of steps of a session after which it counts as one that never ends. */
export const maxSteps = 10_000

const decode = EventCodec.decoder([])

/** Returns the event of an envelope, with its payload as plain JSON. */
export const eventOf = (envelope: Envelope): Event | undefined => Result.getOrUndefined(decode(envelope))

export class Activity {
  readonly traceId: string
  /** The event whose handler runs the session, if any. */
  readonly parentEventId: string | undefined
  readonly startedAt: number
  readonly steps: Array<Step> = []
  readonly copies = new Set<Copy>()
  /** The ids of its events. */
  readonly eventIds = new Set<string>()
  /** Wakes the fiber that waits for the session to go on. */
  readonly changed: Latch.Latch = Latch.makeUnsafe()
  /** Whether the effect of the session still runs. */
  isRunning = true
  /** The number of publishes that the broker has not answered. */
  inFlight = 0

  constructor(traceId: string, parentEventId: string | undefined, startedAt: number) {
    this.traceId = traceId
    this.parentEventId = parentEventId
    this.startedAt = startedAt
  }

  get isEndless(): boolean {
    return this.steps.length >= maxSteps
  }

  /** Notes a step. The session fails when there are too many, so the rest of them is not kept. */
  note(kind: Step["kind"], at: number, envelope: Envelope, about: Partial<Step> = {}): void {
    if (!this.isEndless) {
      const step = { queue: "", attempt: envelope.attempt ?? 1, fault: undefined, delay: undefined, reason: undefined }
      this.steps.push({ ...step, ...about, event: about.event ?? eventOf(envelope), kind, at, envelope })
    }
    this.changed.openUnsafe()
  }
}
