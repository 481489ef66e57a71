/**
 * Publishes events: correlates and encodes them, and passes them to the broker in a span.
 * The counterpart of `Subscriber`.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Broker } from "../broker/Broker.ts"
import type { Envelope } from "../broker/Envelope.ts"
import * as PublishError from "../broker/PublishError.ts"
import * as RoutingKey from "../broker/RoutingKey.ts"
import * as Correlation from "../event/Correlation.ts"
import * as Event from "../event/Event.ts"
import * as EventCodec from "../event/EventCodec.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { delayOf } from "./internal/delayOf.ts"
import * as PublishMetrics from "./internal/publishMetrics.ts"
import * as PublishSpans from "./internal/publishSpans.ts"

/**
 * Options of `publish`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions {
  /** Default: `{eventType}.{priority}`. */
  readonly routingKey?: string | undefined
  /** Whether the event outlives a restart of the broker, where its queue does. Default: `true`. */
  readonly persistent?: boolean | undefined
  /**
   * Whether an event that no queue is bound for is an error. On a bus it is normal, so
   * the default, `ignore`, counts the event and warns once for each routing key. With
   * `fail`, the publish fails with `Unroutable`.
   */
  readonly unroutable?: "ignore" | "fail" | undefined
  /**
   * The time after which the event is delivered, up to 49 days. The broker keeps the event
   * until then, and delivers it never earlier, and at most a second or 1 % later. It goes to
   * the queues that are bound for it at that time; where there are none, it is dropped.
   * It cannot be cancelled. Its `ttlSeconds` count from that time. Default: no delay.
   */
  readonly delay?: Duration.Input | undefined
  /** The time at which the event is delivered, instead of a `delay`. One that has passed is no delay. */
  readonly deliverAt?: DateTime.DateTime.Input | undefined
}

/**
 * An event with the settings of its publish.
 *
 * @category models
 * @since 0.1.0
 */
export interface Publication {
  readonly event: Event.Event
  readonly replyTo: EventCodec.ReplyAddress | undefined
  readonly routingKey: string
  readonly persistent: boolean
  readonly unroutable: "ignore" | "fail"
}

/**
 * Publishes events to a broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Publisher {
  /** Publishes an event, or a request if there is an address for its reply. */
  readonly publish: (
    event: Event.Event,
    options?: PublishOptions,
    replyTo?: EventCodec.ReplyAddress
  ) => Effect.Effect<void, PublishError.PublishError>
  readonly publishAll: (
    events: Iterable<Event.Event>,
    options?: PublishOptions
  ) => Effect.Effect<void, PublishError.PublishError>
}

/** The number of routing keys for which a warning is remembered. */
const maxWarned = 1000
/** The number of events of `publishAll` that are in flight at once. */
const maxInFlight = 1024

const decide = (
  event: Event.Event,
  options: PublishOptions | undefined,
  replyTo: EventCodec.ReplyAddress | undefined
): Publication => ({
  event,
  replyTo,
  routingKey: RoutingKey.check(options?.routingKey ?? RoutingKey.make(event.eventType, event.priority)),
  persistent: options?.persistent ?? true,
  unroutable: options?.unroutable ?? "ignore"
})

/** Returns a function that warns once of each routing key that no queue is bound for. */
const unroutableWarning = () => {
  const warned = new Set<string>()
  return (routingKey: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (warned.has(routingKey) || warned.size === maxWarned) return Effect.void
      warned.add(routingKey)
      return Effect.logWarning(`No queue is bound for "${routingKey}": its events are dropped`)
    })
}

/**
 * Starts publishes in their order, with a bounded number in flight at once. Fails with the
 * first failure.
 *
 * @category combinators
 * @since 0.1.0
 */
export const inLanes = <E>(effects: ReadonlyArray<Effect.Effect<void, E>>): Effect.Effect<void, E> => {
  let next = 0
  const lane = Effect.whileLoop({
    while: () => next < effects.length,
    body: () => effects[next++] ?? Effect.void,
    step: () => {}
  })
  // A bounded concurrency of Effect 4.1 overflows the stack when one failure interrupts hundreds.
  const lanes = Math.min(effects.length, maxInFlight)
  return Effect.replicateEffect(lane, lanes, { concurrency: "unbounded", discard: true })
}

/**
 * Makes a publisher on a broker.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (broker: Broker["Service"]): Effect.Effect<Publisher> =>
  Effect.gen(function* () {
    const spanned = PublishSpans.make(broker)
    const clock = yield* Clock.Clock
    const counted = PublishMetrics.counter(yield* Metrics.registry, clock)
    const warnOnce = unroutableWarning()

    const store = (envelope: Envelope, options: PublishOptions | undefined) => {
      const now = clock.currentTimeMillisUnsafe()
      const delay = options === undefined ? undefined : delayOf(options, now)
      return delay === undefined ? broker.publish(envelope) : broker.publish({ ...envelope, dueAt: now + delay }, delay)
    }

    const send = (
      publication: Publication,
      options: PublishOptions | undefined,
      traceparent: string | undefined
    ): Effect.Effect<void, PublishError.Reason> => {
      const encoded = EventCodec.toEnvelope(publication.event, { ...publication, traceparent })
      if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
      const bytes = encoded.success.body.length
      return bytes > broker.maxBodyBytes
        ? Effect.fail(new PublishError.TooLarge({ bytes, limit: broker.maxBodyBytes }))
        : store(encoded.success, options)
    }

    /** Does not hold the event: the garbage collector moves all that waits for a confirm. */
    const failing = (eventId: string, eventType: string, routingKey: string, unroutable: "ignore" | "fail") => {
      return (given: PublishError.Reason): Effect.Effect<void, PublishError.PublishError> => {
        if (given._tag === "Unroutable" && unroutable === "ignore") return warnOnce(routingKey)
        // An error that says "unroutable" must be true of every sending.
        const reason = given._tag === "Unroutable" ? (given.earlier ?? given) : given
        return Effect.fail(new PublishError.PublishError({ eventId, eventType, reason }))
      }
    }

    const publish: Publisher["publish"] = (event, options, replyTo) => {
      const asked = decide(event, options, replyTo)
      if (options !== undefined) delayOf(options, clock.currentTimeMillisUnsafe())
      const { routingKey, unroutable } = asked
      const { eventId, eventType } = event
      return Effect.withFiber((fiber) => {
        const correlated = Event.correlate(event, fiber.getRef(Correlation.Current))
        const publication = correlated === event ? asked : { ...asked, event: correlated }
        return spanned(fiber, publication, (traceparent) =>
          Effect.catch(
            counted(send(publication, options, traceparent)),
            failing(eventId, eventType, routingKey, unroutable)
          )
        )
      })
    }

    return {
      publish,
      publishAll: (events, options) =>
        Effect.suspend(() => inLanes(Array.from(events, (event) => publish(event, options))))
    }
  })
