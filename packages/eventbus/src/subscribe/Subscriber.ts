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
import * as Channel from "effect/Channel"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Broker from "../broker/Broker.ts"
import { SubscribeError } from "../broker/BrokerError.ts"
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
import { OrderedKeys, type Process } from "./internal/OrderedKeys.ts"
import * as Responder from "./internal/responder.ts"
import * as Settle from "./internal/settle.ts"
import { StalledSettlements } from "./internal/StalledSettlements.ts"
import * as Settlement from "./Settlement.ts"
import type { Subscription } from "./Subscription.ts"

/** The time that interrupted handlers get to clean up. */
const interruptTimeout = "1 second"

/** The longest key, in bytes: it has to fit into a header. */
const maxKey = 255

const encoder = new TextEncoder()

const utf8Length = (text: string): number => encoder.encode(text).length

/** Whether a key is short enough. A UTF-16 unit takes at most 3 bytes of UTF-8. */
const fits = (key: string): boolean => key.length * 3 <= maxKey || utf8Length(key) <= maxKey

/** The policy for failures that the handler leaves unanswered. */
const defaultPolicy = FailurePolicy.retryUpToMax

/**
 * Returns a delivery that can be settled once: an event that left its queue before it was handled has nothing left to
 * settle, and no broker takes it back.
 */
const leaving = (delivery: Delivery): Delivery => {
  const { envelope, redelivered, unreadable } = delivery
  let isGone = false
  const leave = (settle: Effect.Effect<void>) =>
    Effect.suspend(() => {
      if (isGone) return Effect.void
      isGone = true
      return settle
    })
  return {
    envelope,
    redelivered,
    unreadable,
    isLive: () => isGone || delivery.isLive(),
    ack: leave(delivery.ack),
    requeue: leave(delivery.requeue)
  }
}

/** Returns a function that decodes deliveries. It returns `undefined` for one that it has settled itself. */
const receiver = <Ev extends Event.Event>(
  { atMostOnce, decode, name: queue, ordering }: Subscription<Ev>,
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

  /** Adds the key of the event, if its subscription is ordered. */
  const keyed = (
    delivery: Delivery,
    delivered: DecodedDelivery<Ev>
  ): Effect.Effect<DecodedDelivery<Ev> | undefined> => {
    if (ordering === undefined) return Effect.succeed(delivered)
    try {
      const key: unknown = ordering.keyOf(delivered.event)
      if (typeof key === "string" && key !== "" && fits(key)) {
        return Effect.succeed({ ...delivered, envelope: { ...delivered.envelope, key, behind: undefined } })
      }
      const said = typeof key === "string" ? `${utf8Length(key)} bytes` : `the type ${typeof key}`
      return refuseAs(delivery, "InvalidKey", `a key is a text of 1 to ${maxKey} bytes, and this one has ${said}`, 0)
    } catch (error) {
      return Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.as(
          refuse(delivery, Fault.fromCause(Cause.die(error), { attempts: 0, now, type: delivery.envelope.type })),
          undefined
        )
      )
    }
  }

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
    if (responds && envelope.replyTo !== undefined) return keyed(delivery, delivered)
    // Dead letters never expire.
    const expiresAt = QueueSpec.isDeadLetterQueue(queue) ? undefined : Lifetime.expiresAt(event, envelope)
    // The broker expires first attempts, but for delayed events: a broker may forget their time to live while they wait.
    if (expiresAt === undefined || (attempt === 1 && envelope.dueAt === undefined)) return keyed(delivery, delivered)
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      expiresAt <= now
        ? refuseAs(delivery, "expired", Lifetime.outlived(attempt - 1), attempt - 1)
        : keyed(delivery, delivered)
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
      : Effect.flatMap(delivery.ack, () => open(delivery))
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
  const { ordering } = subscription
  const concurrency = Math.min(subscription.concurrency ?? broker.prefetch, prefetch)
  const ordered = ordering === undefined ? undefined : new OrderedKeys(broker, subscription, ordering, concurrency)
  // The events of an ordered subscription wait for those of their key, and not for others.
  const dispatch = new Dispatch(ordered === undefined ? concurrency : prefetch, prefetch)
  // This comes first, because a failed start must leave nothing behind.
  const intake = yield* Intake.make(broker, subscription, dispatch, ordered)
  if (ordered !== undefined) {
    yield* Effect.mapError(ordered.check, ({ reason }) => new SubscribeError({ queue: subscription.name, reason }))
  }
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
    delivered: DecodedDelivery<Ev>,
    settleAs: Settle.Settle["as"] = settle.as
  ): Effect.Effect<void, never, R> => {
    // The fiber belongs to this delivery, so its context need not be restored.
    fiber.setContext(Context.add(fiber.context, Correlation.Current, Event.toCorrelation(delivered.event)))
    const { period } = intake
    const attempt = (delivered: DecodedDelivery<Ev>) =>
      Effect.catchCause(responder.withinDeadline(delivered, handle(delivered)), (cause) =>
        stopping ? Effect.failCause(Cause.interrupt()) : Handler.answer(defaultPolicy, cause, delivered)
      )
    let latest = delivered
    const handling =
      ordered === undefined
        ? attempt(delivered)
        : ordered.hold(delivered, attempt, (retry, failed, next) => {
            latest = next
            return settle.retried(retry, failed)
          })
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
      return intake.settling(settlement, period, settleAs(delivery, latest, settlement))
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

  const processHere: Process<Ev, R> = (delivery, delivered, settleAs) =>
    Effect.withFiber((fiber) => process(fiber, delivery, intake.asProbe(delivered), settleAs))

  const handleOne = (given: Delivery): Effect.Effect<void, never, R> => {
    const delivery = subscription.atMostOnce ? leaving(given) : given
    return Effect.catchCause(
      Effect.withFiber((fiber) => {
        if (ordered !== undefined && delivery.envelope.key !== undefined) {
          return ordered.wake(settle, delivery, processHere)
        }
        return Effect.flatMap(receive(delivery), (delivered) => {
          if (delivered === undefined) return Effect.void
          return ordered === undefined
            ? process(fiber, delivery, intake.asProbe(delivered))
            : ordered.inTurn(settle, delivery, delivered, processHere)
        })
      }),
      (cause) => giveUp(delivery, cause)
    )
  }

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
 * The stream subscribes when it is opened, before its first pull: after `Stream.toPull`
 * the queue is bound, and it gets what is published from then on.
 *
 * @category running
 * @since 0.1.0
 */
export const stream = <Ev extends Event.Event>(
  broker: Broker.Broker["Service"],
  subscription: Subscription<Ev>,
  stalled: StalledSettlements = new StalledSettlements(),
  observer?: DeliveryObserver
): Stream.Stream<Settleable<Ev>, SubscribeError> => {
  const subscribe = Effect.gen(function* () {
    const deliveries = yield* Broker.deliveries(broker, subscription)
    const { receive, settle } = yield* prepare(broker, subscription, stalled, observer, false)
    return Stream.mapEffect(Stream.fromQueue(deliveries), (given) => {
      const delivery = subscription.atMostOnce ? leaving(given) : given
      return Effect.map(receive(delivery), (decoded) => decoded && settleable(delivery, decoded, settle))
    })
  })
  // `Stream.unwrap` would subscribe at the first pull only.
  const opened = Channel.fromTransform((_: unknown, scope) =>
    Effect.flatMap(Scope.provide(subscribe, scope), ({ channel }) => Channel.toPullScoped(channel, scope))
  )
  return Stream.filter(Stream.fromChannel(opened), (settleable) => settleable !== undefined)
}
