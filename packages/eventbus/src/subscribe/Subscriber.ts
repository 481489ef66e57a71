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
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Broker from "../broker/Broker.ts"
import type { SubscribeError } from "../broker/BrokerError.ts"
import { countStale, type Delivery } from "../broker/Delivery.ts"
import * as Fault from "../broker/Fault.ts"
import * as QueueSpec from "../broker/QueueSpec.ts"
import * as Correlation from "../event/Correlation.ts"
import * as Event from "../event/Event.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import type { DecodedDelivery, Settleable } from "./DecodedDelivery.ts"
import * as FailurePolicy from "./FailurePolicy.ts"
import * as Handler from "./Handler.ts"
import * as DeliverySpans from "./internal/deliverySpans.ts"
import { Dispatch } from "./internal/dispatch.ts"
import * as Settle from "./internal/settle.ts"
import { StalledSettlements } from "./internal/StalledSettlements.ts"
import type { Subscription } from "./Subscription.ts"

/** How long handlers that were interrupted may take to clean up. */
const interruptTimeout = "1 second"

/** What happens where a handler says nothing. */
const defaultPolicy = FailurePolicy.retryUpToMax

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
  requeue: Effect.void
})

/** Receives a delivery: what comes of it is to be handled, unless it has been settled already. */
const receiver = <Ev extends Event.Event>(
  { atMostOnce, decode, name: queue }: Subscription<Ev>,
  maxBodyBytes: number,
  { refuse }: Settle.Settle,
  count: Metrics.Series
) => {
  const refuseAs = (delivery: Delivery, reason: string, message: string, attempts: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.as(
        refuse(
          delivery,
          Fault.make({
            reason,
            message,
            attempts,
            now,
            type: delivery.envelope.type,
            previous: delivery.envelope.fault
          })
        ),
        undefined
      )
    )

  /** Decodes a delivery; one that cannot be decoded, or is too old, is settled here and now. */
  const open = (delivery: Delivery): Effect.Effect<DecodedDelivery<Ev> | undefined> => {
    const { envelope, redelivered } = delivery
    const bytes = envelope.body.length
    if (bytes > maxBodyBytes) {
      return refuseAs(delivery, "TooLarge", `the body has ${bytes} bytes, the limit is ${maxBodyBytes}`, 0)
    }
    const decoded = decode(envelope)
    if (Result.isFailure(decoded)) return refuseAs(delivery, decoded.failure.code, decoded.failure.detail, 0)
    const event = decoded.success
    const attempt = envelope.attempt ?? event.retryCount + 1
    const delivered: DecodedDelivery<Ev> = {
      event,
      envelope,
      queue,
      attempt,
      redelivered
    }
    // A dead letter is there to be looked at, however old it is, and one that someone replays is wanted.
    if (attempt === 1 || event.ttlSeconds === undefined || envelope.round > 0 || QueueSpec.isDeadLetterQueue(queue)) {
      return Effect.succeed(delivered)
    }
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      expired(event, attempt, now)
        ? refuseAs(delivery, "expired", "the event outlived its time to live between two attempts", attempt - 1)
        : Effect.succeed(delivered)
    )
  }

  return (delivery: Delivery): Effect.Effect<DecodedDelivery<Ev> | undefined> => {
    if (!delivery.isLive()) return Effect.undefined
    count(1)
    if (!atMostOnce) return open(delivery)
    // It leaves its queue before it is handled. What was delivered before may have been handled, and must not be again.
    return delivery.redelivered
      ? refuseAs(delivery, "redelivered", "it may have been handled already", 0)
      : Effect.flatMap(delivery.ack, () => open(gone(delivery)))
  }
}

/** Prepares all that the deliveries of a subscription go through, except the handler. */
const prepare = <Ev extends Event.Event>(
  broker: Broker.Broker["Service"],
  subscription: Subscription<Ev>,
  stalled: StalledSettlements
) =>
  Effect.map(Metrics.registry, (registry) => {
    const spans = DeliverySpans.make(broker, subscription)
    const settle = Settle.make(broker, subscription, spans, registry, stalled)
    const delivered = Metrics.all.delivered.series(registry, Metrics.labelsOf(subscription))
    return { registry, spans, settle, receive: receiver(subscription, broker.maxBodyBytes, settle, delivered) }
  })

/**
 * Runs a handler on the deliveries of its subscription, for as long as the scope
 * is open. Returns when the queue is bound and being consumed.
 *
 * @category running
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function* <Ev extends Event.Event, E, R>(
  broker: Broker.Broker["Service"],
  handler: Handler.Handler<Ev, E, R>,
  stalled: StalledSettlements = new StalledSettlements()
): Effect.fn.Return<void, SubscribeError, R | Scope.Scope> {
  const { subscription } = handler
  const dispatch = new Dispatch(subscription.concurrency ?? broker.prefetch)
  // First, because a start that fails must leave nothing behind.
  const consumer = yield* broker.consume(subscription, dispatch.deliver)
  const handle = yield* handler.prepare(yield* Effect.scope)
  const clock = yield* Clock.Clock
  const { receive, registry, settle, spans } = yield* prepare(broker, subscription, stalled)
  const labels = Metrics.labelsOf(subscription)
  const handlersRunning = Metrics.all.handlersRunning.series(registry, labels)
  const handlerSeconds = Metrics.all.handlerSeconds.series(registry, labels)
  let running = 0
  let stopping = false

  const process = (
    fiber: Fiber.Fiber<unknown, unknown>,
    delivery: Delivery,
    delivered: DecodedDelivery<Ev>
  ): Effect.Effect<void, never, R> => {
    // The fiber is this delivery's own, so what it is given need not be taken away again.
    fiber.setContext(Context.add(fiber.context, Correlation.Current, Event.toCorrelation(delivered.event)))
    const handling = Effect.catchCause(handle(delivered), (cause) =>
      stopping ? Effect.failCause(Cause.interrupt()) : Handler.answer(defaultPolicy, cause, delivered)
    )
    const since = clock.monotonicTimeNanosUnsafe()
    running += 1
    handlersRunning(1)
    return spans.processing(fiber, delivered, handling, (settlement) => {
      handlerSeconds(Number(clock.monotonicTimeNanosUnsafe() - since) / 1e9)
      // One that was given up on has been taken off already.
      if (running > 0) {
        running -= 1
        handlersRunning(-1)
      }
      return settle.as(delivery, delivered, settlement)
    })
  }

  /** The last resort: whatever happens to one delivery, the subscription goes on with the next. */
  const giveUp = (delivery: Delivery, cause: Cause.Cause<never>): Effect.Effect<void> =>
    stopping
      ? Effect.failCause(cause)
      : Clock.currentTimeMillis.pipe(
          Effect.flatMap((now) =>
            settle.refuse(delivery, Fault.fromCause(cause, { attempts: 0, now, type: delivery.envelope.type }))
          ),
          Effect.catchCause((cause) =>
            stopping
              ? Effect.failCause(cause)
              : Effect.logError(`Cannot settle an event of "${subscription.name}"`, cause)
          )
        )

  const handleOne = (delivery: Delivery): Effect.Effect<void, never, R> =>
    Effect.catchCause(
      Effect.withFiber((fiber) =>
        Effect.flatMap(receive(delivery), (delivered) =>
          delivered === undefined ? Effect.void : process(fiber, delivery, delivered)
        )
      ),
      (cause) => giveUp(delivery, cause)
    )

  const fork = Effect.runForkWith(yield* Effect.context<R>())
  yield* Effect.acquireRelease(
    Effect.sync(() => dispatch.start((delivery) => fork(handleOne(delivery)))),
    Effect.fnUntraced(function* () {
      yield* consumer.cancel
      yield* Effect.timeoutOption(dispatch.idle, subscription.drainTimeout)
      stopping = true
      // A handler that cannot be interrupted must not hold up the others: what it has not settled goes back.
      yield* Effect.timeoutOption(dispatch.interrupt, interruptTimeout)
      handlersRunning(-running)
      running = 0
    })
  )
})

/** Lets a delivery be settled by hand: once, unless that was interrupted. */
const settleable = <Ev extends Event.Event>(
  delivery: Delivery,
  decoded: DecodedDelivery<Ev>,
  settle: Settle.Settle
): Settleable<Ev> => {
  let isClaimed = false
  return {
    ...decoded,
    settle: (settlement) =>
      Effect.suspend(() => {
        if (isClaimed) return countStale
        isClaimed = true
        return Effect.onInterrupt(settle.as(delivery, decoded, settlement), () =>
          Effect.sync(() => {
            isClaimed = false
          })
        )
      })
  }
}

/**
 * The deliveries of a subscription, to be settled by whoever takes them. Those
 * that cannot be decoded are dead-lettered, and never seen.
 *
 * @category running
 * @since 0.1.0
 */
export const stream = <Ev extends Event.Event>(
  broker: Broker.Broker["Service"],
  subscription: Subscription<Ev>,
  stalled: StalledSettlements = new StalledSettlements()
): Stream.Stream<Settleable<Ev>, SubscribeError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const deliveries = yield* Broker.deliveries(broker, subscription)
      const { receive, settle } = yield* prepare(broker, subscription, stalled)
      return Stream.mapEffect(Stream.fromQueue(deliveries), (delivery) =>
        Effect.map(receive(delivery), (decoded) => decoded && settleable(delivery, decoded, settle))
      )
    })
  ).pipe(Stream.filter((settleable) => settleable !== undefined))
