/**
 * The port between the bus and what moves its events.
 *
 * Above it, events have types, schemas and policies. Below it, there are queues
 * and bytes. A broker makes no decisions: it moves envelopes, keeps queues, and
 * settles deliveries as it is told.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { BrokerError, SubscribeError } from "./BrokerError.ts"
import type { Delivery } from "./Delivery.ts"
import type { Envelope } from "./Envelope.ts"
import type * as PublishError from "./PublishError.ts"
import type { QueueSpec } from "./QueueSpec.ts"

/**
 * What is known of a queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueInfo {
  readonly name: string
  /** How many events wait to be delivered. */
  readonly messages: number
  readonly consumers: number
}

/**
 * How the broker is. `degraded` is connected but not taking events, or lacking one
 * of its consumers or something that they need, such as the queue of their dead
 * letters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Health {
  readonly status: "healthy" | "degraded" | "unhealthy"
  readonly connected: boolean
  readonly details: Readonly<Record<string, string | number | boolean>>
}

/**
 * A running consumer. It recovers by itself, and ends only when it is cancelled
 * or its scope closes, which gives back whatever is not settled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consumer {
  /** Takes no more deliveries from the broker. */
  readonly cancel: Effect.Effect<void>
}

/**
 * An envelope that someone looks at in its queue. No consumer gets it meanwhile.
 *
 * @category models
 * @since 0.1.0
 */
export interface Browsed {
  readonly envelope: Envelope
  /** Takes it out of its queue. Fails when the broker has put it back already. */
  readonly remove: Effect.Effect<void, BrokerError>
}

/**
 * Looks through the envelopes that wait in a queue, in their order. When its scope
 * closes, all that were not removed are where they were before, in the same order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Browser {
  /** How many waited when it began. */
  readonly waiting: number
  /** The next ones, at most so many. There are none when no more wait. */
  readonly take: (atMost: number) => Effect.Effect<ReadonlyArray<Browsed>, BrokerError>
}

/**
 * What moves envelopes.
 *
 * @category services
 * @since 0.1.0
 */
export class Broker extends Context.Service<
  Broker,
  {
    /** The messaging system, as OpenTelemetry calls it: `rabbitmq`, say. */
    readonly system: string
    /** What events are published to, where the system has a name for it, or "". */
    readonly destination: string
    /** The name of this machine, which faults carry; `undefined` where it says nothing. */
    readonly host: string | undefined
    /** How many deliveries a consumer may hold unsettled, where its subscription does not say. */
    readonly prefetch: number
    /** The largest body it takes, in bytes. */
    readonly maxBodyBytes: number
    /**
     * Succeeds when the broker has the envelope safe in at least one queue. What
     * no queue wants is `Unroutable`.
     */
    readonly publish: (envelope: Envelope) => Effect.Effect<void, PublishError.Reason>
    /** Declares the queue and the queue of its dead letters, and binds it. What is there already stays as it is. */
    readonly declare: (queue: QueueSpec) => Effect.Effect<void, SubscribeError>
    /**
     * Declares the queue, and returns when it is bound and being consumed. Each
     * delivery is handed to `deliver`, which returns at once and never throws. It is
     * not called by whoever publishes, so that a handler may publish what it handles.
     * At most the concurrency of the queue is live and not settled at a time.
     */
    readonly consume: (
      queue: QueueSpec,
      deliver: (delivery: Delivery) => void
    ) => Effect.Effect<Consumer, SubscribeError, Scope.Scope>
    /**
     * Succeeds when the broker has the envelope safe in the queue of that name, whatever
     * the queue is bound to. Fails with `Unroutable` when there is no such queue.
     *
     * With a delay, in milliseconds, the envelope is safe at once and comes to the
     * queue when the delay is over. A full queue must not refuse it, because it takes
     * the place of a delivery that the queue has room for until it is acknowledged.
     */
    readonly put: (
      queue: string,
      envelope: Envelope,
      delay?: number | undefined
    ) => Effect.Effect<void, PublishError.Reason>
    /** Looks through a queue without spoiling it: a queue that would not stand being looked at is refused. */
    readonly browse: (queue: string) => Effect.Effect<Browser, BrokerError, Scope.Scope>
    readonly queueInfo: (queue: string) => Effect.Effect<Option.Option<QueueInfo>, BrokerError>
    /** Removes the events that wait in the queue, and says how many. */
    readonly purge: (queue: string) => Effect.Effect<number, BrokerError>
    readonly health: Effect.Effect<Health>
  }
>()("effect-eventbus/Broker") {}

/**
 * The deliveries of a queue, for those who take them one after the other.
 *
 * @category running
 * @since 0.1.0
 */
export const deliveries = Effect.fnUntraced(function* (
  broker: Broker["Service"],
  queue: QueueSpec
): Effect.fn.Return<Queue.Dequeue<Delivery>, SubscribeError, Scope.Scope> {
  // What no longer fits is of a channel that is lost, and comes anew.
  const deliveries = yield* Queue.sliding<Delivery>(queue.concurrency ?? broker.prefetch)
  yield* broker.consume(queue, (delivery) => {
    Queue.offerUnsafe(deliveries, delivery)
  })
  return deliveries
})
