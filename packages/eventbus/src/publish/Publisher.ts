/**
 * Publishes events: correlates and encodes them, and passes them to the broker in a span.
 * The counterpart of `Subscriber`.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Broker } from "../broker/Broker.ts"
import * as PublishError from "../broker/PublishError.ts"
import * as RoutingKey from "../broker/RoutingKey.ts"
import * as Correlation from "../event/Correlation.ts"
import * as Event from "../event/Event.ts"
import * as EventCodec from "../event/EventCodec.ts"
import * as Metrics from "../telemetry/Metrics.ts"
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
}

/**
 * An event with the settings of its publish.
 *
 * @category models
 * @since 0.1.0
 */
export interface Publication {
  readonly event: Event.Event
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
  readonly publish: (event: Event.Event, options?: PublishOptions) => Effect.Effect<void, PublishError.PublishError>
  readonly publishAll: (
    events: Iterable<Event.Event>,
    options?: PublishOptions
  ) => Effect.Effect<void, PublishError.PublishError>
}

/** The number of routing keys for which a warning is remembered. */
const maxWarned = 1000
/** The number of events of `publishAll` that are in flight at once. */
const maxInFlight = 1024

const decide = (event: Event.Event, options: PublishOptions | undefined): Publication => ({
  event,
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

/** Runs effects in order, up to `maxInFlight` at once. */
const inLanes = <E>(effects: ReadonlyArray<Effect.Effect<void, E>>): Effect.Effect<void, E> => {
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
    const counted = PublishMetrics.counter(yield* Metrics.registry, yield* Clock.Clock)
    const warnOnce = unroutableWarning()

    const send = (publication: Publication, traceparent: string | undefined) => {
      const encoded = EventCodec.toEnvelope(publication.event, { ...publication, traceparent })
      if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
      const bytes = encoded.success.body.length
      return bytes > broker.maxBodyBytes
        ? Effect.fail(new PublishError.TooLarge({ bytes, limit: broker.maxBodyBytes }))
        : broker.publish(encoded.success)
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

    const publish: Publisher["publish"] = (event, options) => {
      const asked = decide(event, options)
      const { routingKey, unroutable } = asked
      const { eventId, eventType } = event
      return Effect.withFiber((fiber) => {
        const correlated = Event.correlate(event, fiber.getRef(Correlation.Current))
        const publication = correlated === event ? asked : { ...asked, event: correlated }
        return spanned(fiber, publication, (traceparent) =>
          Effect.catch(counted(send(publication, traceparent)), failing(eventId, eventType, routingKey, unroutable))
        )
      })
    }

    return {
      publish,
      publishAll: (events, options) =>
        Effect.suspend(() => inLanes(Array.from(events, (event) => publish(event, options))))
    }
  })
