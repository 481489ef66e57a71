/**
 * A follower of one trace: its events as they are published, and its dead letters.
 *
 * @since 0.1.0
 */

import * as Broker from "effect-eventbus/Broker"
import { BrokerError, NotFound, type SubscribeError } from "effect-eventbus/BrokerError"
import type { Seen } from "effect-eventbus/Causation"
import type { Envelope } from "effect-eventbus/Envelope"
import * as EventBus from "effect-eventbus/EventBus"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Subscription from "effect-eventbus/Subscription"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * The trace to follow.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly traceId: string
  /** The queues whose dead letters are followed as well. Default: none. */
  readonly queues?: ReadonlyArray<string> | undefined
}

/**
 * The largest number of events and dead letters that are followed. The stream ends
 * after so many.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxSeen = 1000

/** The number of messages that may be unacknowledged at once. */
const concurrency = 100
const pollInterval = "2 seconds"

/** Opens a temporary queue that receives all events. */
const published = Effect.fnUntraced(function* (traceId: string) {
  const broker = yield* Broker.Broker
  const subscription = Subscription.make(`trace.${crypto.randomUUID()}`, {
    patterns: ["#"],
    temporary: true,
    concurrency
  })
  const seenIn = (envelope: Envelope, queue: string): ReadonlyArray<Seen> => {
    const event = Result.getOrUndefined(subscription.decode(envelope))
    return event?.traceId?.toLowerCase() === traceId ? [{ event, envelope, queue, attempt: envelope.attempt ?? 1 }] : []
  }
  const deliveries = yield* Broker.deliveries(broker, subscription)
  const events = Stream.fromQueue(deliveries).pipe(
    Stream.mapEffect(({ ack, envelope }) => Effect.as(ack, seenIn(envelope, subscription.name))),
    Stream.flattenIterable
  )
  return { events, seenIn }
})

/** Reads the dead letters of a queue whenever their number has changed. */
const deadLetters = Effect.fnUntraced(function* (traceId: string, queue: string) {
  const bus = yield* EventBus.EventBus
  const name = QueueSpec.deadLetterQueueOf(queue)
  let before = 0
  const poll = Effect.gen(function* () {
    const info = yield* bus.queueInfo(name)
    if (Option.isNone(info)) {
      return yield* new BrokerError({ reason: new NotFound({ name, detail: "its dead letters cannot be followed" }) })
    }
    const { messages } = info.value
    if (messages === before) return []
    before = messages
    const { letters } = yield* bus.deadLetters(queue).peek({ text: traceId, limit: maxSeen })
    return letters.map(({ envelope }) => ({ envelope, queue: name }))
  })
  return Stream.flattenIterable(Stream.fromEffectSchedule(poll, Schedule.spaced(pollInterval)))
})

/** An event is one sighting however often it is delivered; each of its dead letters is another. */
const keyOf = ({ envelope, event, queue }: Seen): string =>
  `${event.eventId} ${envelope.fault === undefined ? "" : `${queue} ${envelope.fault.lastFailedAt}`}`

/**
 * Follows a trace. The effect returns once the follower listens; the stream then gives
 * each event and each dead letter once, without an end of its own before `maxSeen`.
 *
 * **Details**
 *
 * It sees the events that are published from now on, and the dead letters that wait in
 * the given queues. It consumes from a temporary queue, so it takes no event away from
 * other subscribers. Retries are invisible: they go straight back to their queue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Stream.Stream<Seen, BrokerError>, SubscribeError, Broker.Broker | EventBus.EventBus | Scope.Scope> {
  const traceId = options.traceId.toLowerCase()
  const { events, seenIn } = yield* published(traceId)
  const dead = yield* Effect.forEach(options.queues ?? [], (queue) => deadLetters(traceId, queue))
  const found = Stream.mergeAll(dead, { concurrency: "unbounded" }).pipe(
    Stream.map(({ envelope, queue }) => seenIn(envelope, queue)),
    Stream.flattenIterable
  )
  const known = new Set<string>()
  const isNew = (seen: Seen): boolean => known.size < known.add(keyOf(seen)).size
  return Stream.merge(events, found).pipe(Stream.filter(isNew), Stream.take(maxSeen))
})
