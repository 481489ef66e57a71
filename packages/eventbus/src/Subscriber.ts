/**
 * Takes deliveries from a broker through decoding, handler and policy to their
 * settlement.
 *
 * Every delivery is settled: acknowledged when its handler succeeds, as the
 * policy says when it fails. What cannot be decoded never reaches a handler. A
 * subscription that stops lets its handlers finish, up to its drain timeout; what
 * is not done by then goes back to its queue untouched.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Broker } from "./Broker.ts"
import type { SubscribeError } from "./BrokerError.ts"
import * as Correlation from "./Correlation.ts"
import type { Delivered, Delivery } from "./Delivery.ts"
import * as Envelope from "./Envelope.ts"
import * as Event from "./Event.ts"
import * as FailurePolicy from "./FailurePolicy.ts"
import * as Fault from "./Fault.ts"
import * as Handler from "./Handler.ts"
import type * as Settlement from "./Settlement.ts"
import { isDeadLetterQueue, type Queue as QueueOf, type Subscription } from "./Subscription.ts"

const counter = (name: string, description: string) => {
  const metric = Metric.counter(name, { description, incremental: true })
  return (queue: string) => Metric.update(Metric.withAttributes(metric, { queue }), 1)
}

const countDeadLettered = counter("eventbus_dead_lettered", "Events put into the dead letters")
const countDiscarded = counter("eventbus_discarded", "Events dropped by a policy, or for want of dead letters")

/** How long handlers that were interrupted may take to clean up. */
const interruptTimeout = "1 second"

/** What happens where a handler says nothing. */
const defaultPolicy = FailurePolicy.retryUpToMax

const because = (delivery: Delivery, fault: Pick<Fault.Fault, "reason" | "message"> | undefined) =>
  Effect.annotateLogs({ eventId: delivery.envelope.id, reason: fault?.reason, message: fault?.message })

const discard = (
  queue: string,
  delivery: Delivery,
  fault: Pick<Fault.Fault, "reason" | "message"> | undefined
): Effect.Effect<void> =>
  Effect.logWarning(`Discarded an event of "${queue}"`).pipe(
    because(delivery, fault),
    Effect.andThen(countDiscarded(queue)),
    Effect.andThen(delivery.ack)
  )

const deadLetter = (
  { deadLetterQueue, queue }: QueueOf,
  delivery: Delivery,
  fault: Fault.Fault | undefined
): Effect.Effect<void> =>
  deadLetterQueue === undefined
    ? discard(queue, delivery, fault)
    : Effect.logWarning(`Dead-lettered an event of "${queue}"`).pipe(
        because(delivery, fault),
        Effect.andThen(delivery.deadLetter(Envelope.deadLettered(delivery.envelope, fault))),
        Effect.andThen(countDeadLettered(queue))
      )

const settle =
  <Ev extends Event.Event>(subscription: Subscription<Ev>, delivery: Delivery, event: Ev, attempt: number) =>
  (settlement: Settlement.Settlement): Effect.Effect<void> => {
    switch (settlement._tag) {
      case "Ack":
        return delivery.ack
      case "Requeue":
        return delivery.requeue
      case "Discard":
        return discard(subscription.queue, delivery, settlement.fault)
      case "DeadLetter":
        return deadLetter(subscription, delivery, settlement.fault)
      case "Retry": {
        if (subscription.atMostOnce) return discard(subscription.queue, delivery, settlement.fault)
        const { delay } = settlement
        // A dead letter goes on saying why it is one, however often its handler fails.
        const fault = (isDeadLetterQueue(subscription.queue) ? delivery.envelope.fault : undefined) ?? settlement.fault
        const retryCount = Math.max(event.retryCount, attempt)
        const envelope = Envelope.retried(delivery.envelope, { number: attempt + 1, retryCount, fault })
        const millis = Math.max(0, Math.round(Duration.toMillis(delay)))
        return Effect.logDebug(`Retrying an event of "${subscription.queue}" in ${millis} ms`).pipe(
          because(delivery, settlement.fault),
          Effect.andThen(delivery.retry(envelope, millis))
        )
      }
    }
  }

/** The broker's clock ends the wait in a queue; only a retried event has waited without it. */
const expired = (event: Event.Event, attempt: number, now: number): boolean =>
  attempt > 1 &&
  event.ttlSeconds !== undefined &&
  DateTime.toEpochMillis(event.timestamp) + event.ttlSeconds * 1000 <= now

/** What is left to settle of a delivery that left its queue before it was handled: nothing. */
const gone = ({ envelope, redelivered }: Delivery): Delivery => ({
  envelope,
  redelivered,
  isLive: () => true,
  ack: Effect.void,
  requeue: Effect.void,
  retry: () => Effect.void,
  deadLetter: () => Effect.void
})

/**
 * Takes an event off its queue before it is handled. One that was delivered before
 * may have been handled, and must not be again.
 */
const takeOff = (queue: string, delivery: Delivery): Effect.Effect<Delivery | undefined> =>
  delivery.redelivered
    ? Effect.as(
        discard(queue, delivery, { reason: "redelivered", message: "it may have been handled already" }),
        undefined
      )
    : Effect.as(delivery.ack, gone(delivery))

/** Decodes a delivery; one that cannot be decoded, or is too old, is settled here and now. */
const decode =
  <Ev extends Event.Event>(subscription: Subscription<Ev>, maxBodyBytes: number) =>
  (delivery: Delivery): Effect.Effect<Delivered<Ev> | undefined> => {
    const { envelope } = delivery
    const refuse = (reason: string, message: string, attempts: number) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.as(
          deadLetter(subscription, delivery, Fault.make({ reason, message, attempts, now, previous: envelope.fault })),
          undefined
        )
      )
    if (envelope.body.length > maxBodyBytes) {
      return refuse("TooLarge", `the body has ${envelope.body.length} bytes, the limit is ${maxBodyBytes}`, 0)
    }
    const decoded = subscription.decode(envelope.body)
    if (Result.isFailure(decoded)) return refuse(decoded.failure.code, decoded.failure.detail, 0)
    const event = decoded.success
    const attempt = envelope.attempt ?? event.retryCount + 1
    const delivered: Delivered<Ev> = {
      event,
      envelope,
      queue: subscription.queue,
      attempt,
      redelivered: delivery.redelivered,
      settle: settle(subscription, delivery, event, attempt)
    }
    // A dead letter is there to be looked at, however old it is.
    if (attempt === 1 || event.ttlSeconds === undefined || isDeadLetterQueue(subscription.queue)) {
      return Effect.succeed(delivered)
    }
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      expired(event, attempt, now)
        ? refuse("expired", "the event outlived its time to live between two attempts", attempt - 1)
        : Effect.succeed(delivered)
    )
  }

/** Receives a delivery: what comes of it is to be handled, unless it has been settled already. */
const receive = <Ev extends Event.Event>(subscription: Subscription<Ev>, maxBodyBytes: number) => {
  const decodeDelivery = decode(subscription, maxBodyBytes)
  return (delivery: Delivery): Effect.Effect<Delivered<Ev> | undefined> => {
    if (!delivery.isLive()) return Effect.undefined
    if (!subscription.atMostOnce) return decodeDelivery(delivery)
    return Effect.flatMap(takeOff(subscription.queue, delivery), (taken) =>
      taken === undefined ? Effect.undefined : decodeDelivery(taken)
    )
  }
}

/**
 * Runs a handler on the deliveries of its subscription, for as long as the scope
 * is open. Returns when the queue is bound and being consumed.
 *
 * @category running
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function* <Ev extends Event.Event, E, R>(
  broker: Broker["Service"],
  handler: Handler.Handler<Ev, E, R>
): Effect.fn.Return<void, SubscribeError, R | Scope.Scope> {
  const { subscription } = handler
  // First, because a start that fails must leave nothing behind.
  const consumer = yield* broker.consume(subscription)
  const handle = yield* handler.prepare(yield* Effect.scope)
  let stopping = false

  const process = (delivered: Delivered<Ev> | undefined): Effect.Effect<void, never, R> =>
    delivered === undefined
      ? Effect.void
      : handle(delivered).pipe(
          Effect.provideService(Correlation.Current, Event.toCorrelation(delivered.event)),
          Effect.catchCause((cause) =>
            stopping ? Effect.failCause(Cause.interrupt()) : Handler.answer(defaultPolicy, cause, delivered)
          ),
          Effect.flatMap(delivered.settle)
        )

  /** The last resort: whatever happens to one delivery, the worker goes on with the next. */
  const giveUp = (delivery: Delivery) => (cause: Cause.Cause<never>) =>
    stopping
      ? Effect.failCause(cause)
      : Effect.flatMap(Clock.currentTimeMillis, (now) =>
          deadLetter(subscription, delivery, Fault.fromCause(cause, { attempts: 0, now }))
        )

  const receiveDelivery = receive(subscription, broker.maxBodyBytes)
  const worker = Queue.take(consumer.deliveries).pipe(
    Effect.flatMap((delivery) =>
      receiveDelivery(delivery).pipe(
        Effect.flatMap(process),
        Effect.catchCause(giveUp(delivery)),
        Effect.catchCause((cause) =>
          stopping
            ? Effect.failCause(cause)
            : Effect.logError(`Cannot settle an event of "${subscription.queue}"`, cause)
        )
      )
    ),
    Effect.forever,
    Pull.catchDone(() => Effect.void)
  )

  yield* Effect.acquireRelease(
    Effect.replicateEffect(Effect.forkDetach(worker), subscription.concurrency ?? broker.prefetch),
    Effect.fnUntraced(function* (workers) {
      yield* consumer.cancel
      yield* Effect.timeoutOption(Fiber.awaitAll(workers), subscription.drainTimeout)
      stopping = true
      // A handler that cannot be interrupted must not hold up the others: what it has not settled goes back.
      yield* Effect.timeoutOption(Fiber.interruptAll(workers), interruptTimeout)
    })
  )
})

/**
 * The deliveries of a subscription, to be settled by whoever takes them. Those
 * that cannot be decoded are dead-lettered, and never seen.
 *
 * @category running
 * @since 0.1.0
 */
export const stream = <Ev extends Event.Event>(
  broker: Broker["Service"],
  subscription: Subscription<Ev>
): Stream.Stream<Delivered<Ev>, SubscribeError> =>
  Stream.unwrap(Effect.map(broker.consume(subscription), (consumer) => Stream.fromQueue(consumer.deliveries))).pipe(
    Stream.mapEffect(receive(subscription, broker.maxBodyBytes)),
    Stream.filter((delivered) => delivered !== undefined)
  )
