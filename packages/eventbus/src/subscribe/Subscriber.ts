/**
 * Decodes, handles and settles the deliveries of a subscription. The counterpart of
 * `Publisher`.
 *
 * Every delivery is settled. It is acknowledged when its handler succeeds; when the
 * handler fails, its policy decides. A delivery that cannot be decoded never reaches a
 * handler. When a subscription stops, its handlers may finish within the drain timeout.
 * Deliveries that are not handled by then go back to the queue unchanged.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
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
import type { DeliveryObserver } from "./DeliveryObserver.ts"
import * as FailurePolicy from "./FailurePolicy.ts"
import * as Handler from "./Handler.ts"
import * as DeliverySpans from "./internal/deliverySpans.ts"
import { Dispatch } from "./internal/dispatch.ts"
import { Draining } from "./internal/draining.ts"
import * as Intake from "./internal/Intake.ts"
import * as Lifetime from "./internal/lifetime.ts"
import * as Responder from "./internal/responder.ts"
import * as Settle from "./internal/settle.ts"
import { StalledSettlements } from "./internal/StalledSettlements.ts"
import * as Settlement from "./Settlement.ts"
import type { Subscription } from "./Subscription.ts"

/** The time that interrupted handlers get to clean up. */
const interruptTimeout = "1 second"

/** The policy for failures that the handler leaves unanswered. */
const defaultPolicy = FailurePolicy.retryUpToMax

/** Returns a delivery without settlement, for an event that left its queue before it was handled. */
const gone = ({ envelope, redelivered, unreadable }: Delivery): Delivery => ({
  envelope,
  redelivered,
  unreadable,
  isLive: () => true,
  ack: Effect.void,
  requeue: Effect.void
})

/** Returns a function that decodes deliveries. It returns `undefined` for one that it has settled itself. */
const receiver = <Ev extends Event.Event>(
  { atMostOnce, decode, name: queue }: Subscription<Ev>,
  maxBodyBytes: number,
  { refuse }: Settle.Settle,
  count: Metrics.Series,
  observer: DeliveryObserver | undefined,
  responds: boolean
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

  /** Decodes a delivery. Settles one that cannot be decoded, or that has expired. */
  const open = (delivery: Delivery): Effect.Effect<DecodedDelivery<Ev> | undefined> => {
    const { envelope, redelivered, unreadable } = delivery
    if (unreadable !== undefined) return refuseAs(delivery, unreadable.code, unreadable.detail, 0)
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
    // A responder has its own way with requests that have expired.
    if (responds && envelope.replyTo !== undefined) return Effect.succeed(delivered)
    // Dead letters never expire, and neither do replayed ones: an operator asked for them.
    const expiresAt =
      envelope.round > 0 || QueueSpec.isDeadLetterQueue(queue) ? undefined : Lifetime.expiresAt(event, envelope)
    // The broker expires first attempts, but for delayed events: a broker may forget their time to live while they wait.
    if (expiresAt === undefined || (attempt === 1 && envelope.dueAt === undefined)) return Effect.succeed(delivered)
    const outlived =
      attempt === 1 ? "waited longer than its time to live" : "outlived its time to live between two attempts"
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      expiresAt <= now ? refuseAs(delivery, "expired", `the event ${outlived}`, attempt - 1) : Effect.succeed(delivered)
    )
  }

  return (delivery: Delivery): Effect.Effect<DecodedDelivery<Ev> | undefined> => {
    if (!delivery.isLive()) return Effect.undefined
    count(1)
    observer?.received(delivery)
    if (!atMostOnce) return open(delivery)
    // It leaves its queue first. One that was delivered before may have been handled, and must not be handled again.
    return delivery.redelivered
      ? refuseAs(delivery, "redelivered", "it may have been handled already", 0)
      : Effect.flatMap(delivery.ack, () => open(gone(delivery)))
  }
}

/** Prepares everything that processes the deliveries of a subscription, except the handler. */
const prepare = <Ev extends Event.Event>(
  broker: Broker.Broker["Service"],
  subscription: Subscription<Ev>,
  stalled: StalledSettlements,
  observer: DeliveryObserver | undefined,
  responds: boolean
) =>
  Effect.map(Metrics.registry, (registry) => {
    const spans = DeliverySpans.make(broker, subscription)
    const responder = Responder.make(broker, subscription, registry, responds)
    const settle = Settle.make(broker, subscription, spans, registry, stalled, observer, responder)
    const delivered = Metrics.all.delivered.series(registry, Metrics.labelsOf(subscription))
    const receive = receiver(subscription, broker.maxBodyBytes, settle, delivered, observer, responds)
    return { registry, responder, spans, settle, receive }
  })

/**
 * Runs a handler on the deliveries of its subscription until the scope closes. Returns
 * when the queue is bound and being consumed, with what pauses and resumes it.
 *
 * @category running
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function* <Ev extends Event.Event, E, R>(
  broker: Broker.Broker["Service"],
  handler: Handler.Handler<Ev, E, R>,
  stalled: StalledSettlements = new StalledSettlements(),
  observer?: DeliveryObserver
): Effect.fn.Return<Intake.Intake, SubscribeError, R | Scope.Scope> {
  const { subscription } = handler
  const prefetch = QueueSpec.prefetchOf(subscription, broker.prefetch)
  const dispatch = new Dispatch(Math.min(subscription.concurrency ?? broker.prefetch, prefetch), prefetch)
  // This comes first, because a failed start must leave nothing behind.
  const intake = yield* Intake.make(broker, subscription, dispatch)
  const draining = Latch.makeUnsafe()
  const handle = yield* Effect.provideService(handler.prepare(yield* Effect.scope), Draining, draining)
  const clock = yield* Clock.Clock
  const responds = handler.steps.some(({ _tag }) => _tag === "Reply")
  const { receive, registry, responder, settle, spans } = yield* prepare(
    broker,
    subscription,
    stalled,
    observer,
    responds
  )
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
    // The fiber belongs to this delivery, so its context need not be restored.
    fiber.setContext(Context.add(fiber.context, Correlation.Current, Event.toCorrelation(delivered.event)))
    const { period } = intake
    const handling = Effect.catchCause(responder.withinDeadline(delivered, handle(delivered)), (cause) =>
      stopping ? Effect.failCause(Cause.interrupt()) : Handler.answer(defaultPolicy, cause, delivered)
    )
    const since = clock.monotonicTimeNanosUnsafe()
    running += 1
    handlersRunning(1)
    return spans.processing(fiber, delivered, handling, (asked) => {
      handlerSeconds(Number(clock.monotonicTimeNanosUnsafe() - since) / 1e9)
      // The finalizer has already subtracted the handlers that were still running.
      if (running > 0) {
        running -= 1
        handlersRunning(-1)
      }
      const settlement = settle.possible(asked)
      return intake.settling(settlement, period, settle.as(delivery, delivered, settlement))
    })
  }

  /** Dead-letters a delivery after an unexpected failure, so that the subscription goes on with the next one. */
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
          delivered === undefined ? Effect.void : process(fiber, delivery, intake.asProbe(delivered))
        )
      ),
      (cause) => giveUp(delivery, cause)
    )

  const fork = Effect.runForkWith(yield* Effect.context<R>())
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      intake.start((delivery) =>
        Effect.flatMap(receive(delivery), (delivered) =>
          delivered === undefined ? Effect.void : settle.as(delivery, delivered, Settlement.requeue)
        )
      )
      dispatch.start((delivery) => fork(handleOne(delivery)))
    }),
    Effect.fnUntraced(function* () {
      yield* intake.stop
      yield* draining.open
      yield* Effect.timeoutOption(dispatch.idle, subscription.drainTimeout)
      stopping = true
      // A handler that cannot be interrupted must not delay the stop: its delivery goes back to the queue.
      yield* Effect.timeoutOption(dispatch.interrupt, interruptTimeout)
      handlersRunning(-running)
      running = 0
    })
  )
  return intake
})

/** Returns a delivery that you can settle once, or again if the settlement was interrupted. */
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
 * Streams the deliveries of a subscription, which you settle yourself. Deliveries that
 * cannot be decoded are dead-lettered, and do not appear in the stream.
 *
 * @category running
 * @since 0.1.0
 */
export const stream = <Ev extends Event.Event>(
  broker: Broker.Broker["Service"],
  subscription: Subscription<Ev>,
  stalled: StalledSettlements = new StalledSettlements(),
  observer?: DeliveryObserver
): Stream.Stream<Settleable<Ev>, SubscribeError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const deliveries = yield* Broker.deliveries(broker, subscription)
      const { receive, settle } = yield* prepare(broker, subscription, stalled, observer, false)
      return Stream.mapEffect(Stream.fromQueue(deliveries), (delivery) =>
        Effect.map(receive(delivery), (decoded) => decoded && settleable(delivery, decoded, settle))
      )
    })
  ).pipe(Stream.filter((settleable) => settleable !== undefined))
