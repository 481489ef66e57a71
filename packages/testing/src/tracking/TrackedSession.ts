/**
 * A tracked session: everything that an effect caused on the bus.
 *
 * @since 0.1.0
 */

import type { Event } from "effect-eventbus/Event"
import * as EventCodec from "effect-eventbus/EventCodec"
import type * as EventType from "effect-eventbus/EventType"
import type { Fault } from "effect-eventbus/Fault"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Result from "effect/Result"
import { type Activity, eventOf, noQueue, type Step } from "./internal/Activity.ts"
import { draw } from "./internal/timeline.ts"

/**
 * The end of an attempt to handle an event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settled<out Ev extends Event = Event> {
  readonly event: Ev
  /** The queue that delivered the event. */
  readonly queue: string
  /** The number of this attempt, from 1. */
  readonly attempt: number
  /** The failure, if the event was not handled. */
  readonly fault: Fault | undefined
  /** The time until the next attempt, in milliseconds, if the event is retried. */
  readonly delay: number | undefined
}

/**
 * An event that waits in a queue at the end of the session: its queue has no handler, or
 * it is due later.
 *
 * @category models
 * @since 0.1.0
 */
export interface Waiting<out Ev extends Event = Event> {
  readonly event: Ev
  /** `undefined` for a delayed event, which comes to its queues when it is due. */
  readonly queue: string | undefined
  /** The time until it is due, in milliseconds. `undefined`: it is in its queue. */
  readonly dueIn: number | undefined
}

/**
 * The outcomes of events, each in the order in which they came about.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcomes<out Ev extends Event = Event> {
  readonly published: ReadonlyArray<Ev>
  /** The published events that no queue was bound for. */
  readonly unroutable: ReadonlyArray<Ev>
  /** The attempts that succeeded: one for each queue that an event went to. */
  readonly handled: ReadonlyArray<Settled<Ev>>
  /** The attempts that failed, and after which the event was tried again. */
  readonly retried: ReadonlyArray<Settled<Ev>>
  /** The attempts after which the event became a dead letter. */
  readonly deadLettered: ReadonlyArray<Settled<Ev>>
  /** The attempts after which the event was dropped. */
  readonly discarded: ReadonlyArray<Settled<Ev>>
  /** The events that still wait. Dead letters are not among them. */
  readonly waiting: ReadonlyArray<Waiting<Ev>>
}

/**
 * Everything that an effect caused on the bus.
 *
 * The payloads of its outcomes are plain JSON. `of` decodes those of one event type.
 *
 * @category models
 * @since 0.1.0
 */
export interface TrackedSession<out A = unknown> extends Outcomes {
  /** The value of the effect. */
  readonly value: A
  /** The trace of the events. */
  readonly traceId: string
  /** The events as a tree of causes and effects, with queue, attempt and outcome. */
  readonly timeline: string
  /** Returns the outcomes of the events of one type. Leaves out events that its schema refuses. */
  readonly of: <T extends EventType.Any>(type: T) => Outcomes<EventType.EventOf<T>>
}

const outcomesOf = <Ev extends Event>(
  { copies, steps }: Activity,
  now: number,
  decode: (step: Pick<Step, "envelope" | "event">) => Ev | undefined
): Outcomes<Ev> => {
  const events = (kind: Step["kind"]) =>
    steps.flatMap((step) => {
      const event = step.kind === kind ? decode(step) : undefined
      return event === undefined ? [] : [event]
    })
  const settled = (kind: Step["kind"]) =>
    steps.flatMap((step): ReadonlyArray<Settled<Ev>> => {
      const event = step.kind === kind ? decode(step) : undefined
      const { attempt, delay, fault, queue } = step
      return event === undefined ? [] : [{ event, queue, attempt, fault, delay }]
    })
  const waiting = Array.from(copies).flatMap(({ dueAt, envelope, queue }): ReadonlyArray<Waiting<Ev>> => {
    if (QueueSpec.isDeadLetterQueue(queue)) return []
    const event = decode({ envelope, event: eventOf(envelope) })
    return event === undefined
      ? []
      : [{ event, queue: queue === noQueue ? undefined : queue, dueIn: dueAt > now ? dueAt - now : undefined }]
  })
  return {
    published: events("published"),
    unroutable: events("unroutable"),
    handled: settled("handled"),
    retried: settled("retried"),
    deadLettered: settled("dead-lettered"),
    discarded: settled("discarded"),
    waiting
  }
}

/** Returns the session of an activity that has come to rest. */
export const make = <A>(activity: Activity, value: A, now: number): TrackedSession<A> => ({
  ...outcomesOf(activity, now, ({ event }) => event),
  value,
  traceId: activity.traceId,
  timeline: draw(activity, now),
  of: <T extends EventType.Any>(type: T) => {
    const decode = EventCodec.decoder([type])
    return outcomesOf(activity, now, ({ envelope, event }) =>
      event?.eventType === type.name ? Result.getOrUndefined(decode(envelope)) : undefined
    )
  }
})
