/**
 * The port between the bus and a message broker.
 *
 * Above it, events have types, schemas and policies. Below it, there are queues
 * and bytes. A broker makes no decisions: it moves envelopes, keeps queues, and
 * settles deliveries as the bus asks.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { BrokerError, SubscribeError } from "./BrokerError.ts"
import type { Delivery } from "./Delivery.ts"
import type { Envelope } from "./Envelope.ts"
import type * as PublishError from "./PublishError.ts"
import * as QueueSpec from "./QueueSpec.ts"

/**
 * The state of a queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueInfo {
  readonly name: string
  /** The number of messages that wait to be delivered. */
  readonly messages: number
  readonly consumers: number
}

/**
 * The health of a broker. A `degraded` broker is connected, but takes no events, lacks
 * one of its consumers, or lacks something that they need, such as the queue for their
 * dead letters.
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
 * A running consumer. It recovers by itself. It ends when you cancel it, or when its
 * scope closes, which gives unsettled deliveries back to the queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consumer {
  /** Stops taking deliveries from the broker. */
  readonly cancel: Effect.Effect<void>
}

/**
 * An envelope that is being browsed in its queue. No consumer receives it meanwhile.
 *
 * @category models
 * @since 0.1.0
 */
export interface Browsed {
  readonly envelope: Envelope
  /** Removes the envelope from its queue. Fails when the broker has already put it back. */
  readonly remove: Effect.Effect<void, BrokerError>
}

/**
 * A cursor over the envelopes that wait in a queue, in their order. When its scope
 * closes, the envelopes that were not removed are back in their places.
 *
 * @category models
 * @since 0.1.0
 */
export interface Browser {
  /** The number of envelopes that waited at the start. */
  readonly waiting: number
  /**
   * The number of consumers that the queue had at the start. A browser that could not take
   * turns with this one counts as one or more. What they hold is not shown.
   */
  readonly consumers: number
  /** Returns the next envelopes, at most `atMost`, or none when no more wait. */
  readonly take: (atMost: number) => Effect.Effect<ReadonlyArray<Browsed>, BrokerError>
}

/**
 * A message broker: it moves envelopes, keeps queues, and hands out deliveries.
 *
 * @category services
 * @since 0.1.0
 */
export class Broker extends Context.Service<
  Broker,
  {
    /** The OpenTelemetry name of the messaging system, such as `rabbitmq`. */
    readonly system: string
    /** The name of the exchange that events are published to, or `""` where the system has none. */
    readonly destination: string
    /** The name of this machine, which faults carry. `undefined`: faults carry no host. */
    readonly host: string | undefined
    /** The number of unsettled deliveries that a consumer may hold, unless its subscription sets it. */
    readonly prefetch: number
    /** The largest body that the broker takes, in bytes. */
    readonly maxBodyBytes: number
    /**
     * Succeeds when the broker has stored the envelope safely in at least one queue.
     * Fails with `Unroutable` when no queue is bound for it.
     *
     * With a delay, in milliseconds, it succeeds when the broker has stored the envelope
     * safely until then. The envelope enters the queues that are bound for it when the
     * delay is over: never before, and at most a second or 1 % of the delay later. Its
     * time to live starts then. Where no queue is bound for it then, it is dropped.
     */
    readonly publish: (envelope: Envelope, delay?: number | undefined) => Effect.Effect<void, PublishError.Reason>
    /** Declares and binds the queue, and declares the queue for its dead letters. Existing queues stay as they are. */
    readonly declare: (queue: QueueSpec.QueueSpec) => Effect.Effect<void, SubscribeError>
    /**
     * Declares the queue, and returns when it is bound and being consumed. Each
     * delivery is passed to `deliver`, which returns at once and never throws. A
     * publish does not call `deliver` itself, so a handler may publish the events that
     * it handles. At any time, the number of live, unsettled deliveries is at most the
     * prefetch of the queue.
     */
    readonly consume: (
      queue: QueueSpec.QueueSpec,
      deliver: (delivery: Delivery) => void
    ) => Effect.Effect<Consumer, SubscribeError, Scope.Scope>
    /**
     * Succeeds when the broker has stored the envelope safely in the queue of that name,
     * whatever the queue is bound to. Fails with `Unroutable` when there is no such queue.
     *
     * With a delay, in milliseconds, the envelope is stored at once and enters the queue
     * when the delay is over. A full queue must not refuse it: the envelope takes the
     * place of a delivery that still occupies the queue until it is acknowledged.
     */
    readonly put: (
      queue: string,
      envelope: Envelope,
      delay?: number | undefined
    ) => Effect.Effect<void, PublishError.Reason>
    /**
     * Sends a reply to the queue that a request names, which any client may have made.
     * Succeeds when the broker has stored it there. Fails with `Unroutable` when the queue
     * is gone.
     */
    readonly reply: (queue: string, envelope: Envelope) => Effect.Effect<void, PublishError.Reason>
    /**
     * Browses a queue without changing it. Fails with `NotBrowsable` when browsing would lose
     * messages. Waits while the same queue is browsed in another scope: see `exclusive`. Fails
     * with `TimedOut` when another process browses it for too long.
     */
    readonly browse: (queue: string) => Effect.Effect<Browser, BrokerError, Scope.Scope>
    /** Returns the state of a queue, if it exists. */
    readonly queueInfo: (queue: string) => Effect.Effect<Option.Option<QueueInfo>, BrokerError>
    /** Deletes the messages that wait in the queue, and returns their number. */
    readonly purge: (queue: string) => Effect.Effect<number, BrokerError>
    readonly health: Effect.Effect<Health>
  }
>()("effect-eventbus/Broker") {}

/**
 * Makes a browser of a queue wait until the scope of the one before has closed. Brokers
 * wrap their `browse` in it: two browsers of a queue would show a part of it each, and
 * could put messages back in another order.
 *
 * **Details**
 *
 * Those that wait take turns, in the order in which they came. They may be interrupted,
 * and nothing is kept of a queue that is not browsed.
 *
 * **Gotchas**
 *
 * A scope that browses a queue twice waits for itself.
 *
 * @category combinators
 * @since 0.1.0
 */
export const exclusive = Effect.fnUntraced(function* (
  browse: Broker["Service"]["browse"]
): Effect.fn.Return<Broker["Service"]["browse"], never, Scope.Scope> {
  const turns = yield* RcMap.make({ lookup: (_queue: string) => Semaphore.make(1) })
  return Effect.fnUntraced(function* (queue) {
    const turn = yield* RcMap.get(turns, queue)
    yield* turn.takeScoped(1)
    return yield* browse(queue)
  })
})

/**
 * Consumes a queue, and returns its deliveries for you to take one at a time.
 *
 * @category running
 * @since 0.1.0
 */
export const deliveries = Effect.fnUntraced(function* (
  broker: Broker["Service"],
  queue: QueueSpec.QueueSpec
): Effect.fn.Return<Queue.Dequeue<Delivery>, SubscribeError, Scope.Scope> {
  // A delivery that no longer fits belongs to a lost channel: the broker delivers it again.
  const deliveries = yield* Queue.sliding<Delivery>(QueueSpec.prefetchOf(queue, broker.prefetch))
  yield* broker.consume(queue, (delivery) => {
    Queue.offerUnsafe(deliveries, delivery)
  })
  return deliveries
})
