/**
 * Settles the deliveries of a subscription, logs the reasons, and counts the outcomes.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Broker } from "../../broker/Broker.ts"
import type { Delivery } from "../../broker/Delivery.ts"
import * as Envelope from "../../broker/Envelope.ts"
import type { Fault } from "../../broker/Fault.ts"
import * as QueueSpec from "../../broker/QueueSpec.ts"
import type { Event } from "../../event/Event.ts"
import * as Metrics from "../../telemetry/Metrics.ts"
import type { DecodedDelivery } from "../DecodedDelivery.ts"
import type { DeliveryObserver } from "../DeliveryObserver.ts"
import * as Settlement from "../Settlement.ts"
import type { Subscription } from "../Subscription.ts"
import type { DeliverySpans } from "./deliverySpans.ts"
import * as Lifetime from "./lifetime.ts"
import * as Move from "./move.ts"
import type { Responder } from "./responder.ts"
import type { StalledSettlements } from "./StalledSettlements.ts"

export interface Settle {
  /** Turns a settlement that the subscription does not support into a discard. */
  readonly possible: (settlement: Settlement.Settlement) => Settlement.Settlement
  /** Settles a delivery as asked. */
  readonly as: (delivery: Delivery, decoded: DecodedDelivery, settlement: Settlement.Settlement) => Effect.Effect<void>
  /** Counts an attempt that is repeated without leaving its place in the queue. */
  readonly retried: (settlement: Settlement.Retry, decoded: DecodedDelivery) => Effect.Effect<void>
  /** Dead-letters a delivery that must not reach the handler. */
  readonly refuse: (delivery: Delivery, fault: Fault) => Effect.Effect<void>
}

/** The number of returns after which a message is published again instead, before its broker dead-letters it. */
export const mostReturns = 5

/** Returns whether a settlement asks for the event again. */
const isAgain = ({ _tag }: Settlement.Settlement): boolean => _tag === "Requeue" || _tag === "Retry" || _tag === "Pause"

/** Annotates log lines with all that you need to act on them without looking into the queue. */
const annotate = ({ envelope }: Delivery, fault: Fault | undefined) =>
  Effect.annotateLogs({
    eventId: envelope.id,
    eventType: envelope.type,
    routingKey: envelope.routingKey,
    attempts: fault?.attempts,
    reason: fault?.reason,
    message: fault?.message
  })

export const make = (
  broker: Broker["Service"],
  subscription: Subscription<Event>,
  spans: DeliverySpans,
  registry: Metrics.Registry,
  stalled: StalledSettlements,
  observer: DeliveryObserver | undefined,
  responder: Responder
): Settle => {
  const { atMostOnce, deadLetterQueue, name } = subscription
  const move = Move.make(broker, subscription, registry, stalled)
  const labels = Metrics.labelsOf(subscription)
  const handled = Metrics.all.handled.series(registry, labels)
  const criticalSeconds = Metrics.all.criticalSeconds.series(registry, labels)
  const retried = Metrics.all.retried.series(registry, labels)
  const deadLettered = Metrics.all.deadLettered.series(registry, labels)
  const discarded = Metrics.all.discarded.series(registry, labels)
  const failed = Metrics.byErrorType((error_type) => Metrics.all.failed.series(registry, { ...labels, error_type }))

  // Starts the series at zero: deliveries update it themselves.
  Metrics.all.staleSettlements.series(registry, {})

  const ack = (delivery: Delivery, { event }: DecodedDelivery, now: number) => {
    handled(1)
    criticalSeconds(Math.max(0, now - Lifetime.bornAt(event, delivery.envelope)) / 1000)
    return delivery.ack
  }

  const requeue = (delivery: Delivery, { attempt, event }: DecodedDelivery, now: number) => {
    const isCounted = (delivery.returns ?? 0) >= mostReturns && !QueueSpec.isDeadLetterQueue(name)
    if (!isCounted) return delivery.requeue
    // The broker must not expire a request: its responder drops it, and the broker would dead-letter it.
    const expiresAt = delivery.envelope.replyTo === undefined ? Lifetime.expiresAt(event, delivery.envelope) : undefined
    const ttl = expiresAt === undefined ? undefined : Math.max(0, Math.round(expiresAt - now))
    return Effect.asVoid(move(delivery, name, { ...delivery.envelope, attempt, ttl }))
  }

  const discard = (delivery: Delivery, fault: Fault | undefined) =>
    Effect.logWarning(`Discarded an event of "${name}"`).pipe(
      annotate(delivery, fault),
      Effect.andThen(Effect.sync(() => discarded(1))),
      Effect.andThen(delivery.ack)
    )

  const deadLetter = (
    delivery: Delivery,
    to: string,
    fault: Fault | undefined,
    envelope: Envelope.Envelope = delivery.envelope
  ) =>
    Effect.flatMap(move(delivery, to, Envelope.deadLettered(envelope, fault)), (isDone) => {
      if (!isDone) return Effect.void
      deadLettered(1)
      return Effect.logWarning(`Dead-lettered an event of "${name}"`)
    }).pipe(annotate(delivery, fault))

  const retry = (delivery: Delivery, { attempt, event }: DecodedDelivery, settlement: Settlement.Retry) => {
    // A dead letter keeps the reason why it is one, however often its handler fails.
    const fault = (QueueSpec.isDeadLetterQueue(name) ? delivery.envelope.fault : undefined) ?? settlement.fault
    const retryCount = Math.max(event.retryCount, attempt)
    const envelope = Envelope.retried(delivery.envelope, { number: attempt + 1, retryCount, fault })
    const millis = Math.max(0, Math.round(Duration.toMillis(settlement.delay)))
    return Effect.flatMap(move(delivery, name, envelope, millis), (isDone) => {
      if (!isDone) return Effect.void
      retried(1)
      return Effect.logDebug(`Retrying an event of "${name}" in ${millis} ms`)
    }).pipe(annotate(delivery, settlement.fault))
  }

  const possible = (settlement: Settlement.Settlement): Settlement.Settlement =>
    (atMostOnce && isAgain(settlement)) || (settlement._tag === "DeadLetter" && deadLetterQueue === undefined)
      ? Settlement.discard(Settlement.faultOf(settlement))
      : settlement

  /** Tells the observer, if there is one, when a delivery has been settled. */
  const observed = (
    delivery: Delivery,
    settlement: Settlement.Settlement,
    decoded: DecodedDelivery | undefined,
    settle: Effect.Effect<void>
  ): Effect.Effect<void> =>
    observer === undefined
      ? settle
      : Effect.tap(settle, () => Effect.sync(() => observer.settled(delivery, settlement, decoded)))

  /** Tells the requester first that its request is given up. */
  const giveUp = (delivery: Delivery, fault: Fault | undefined, deadline: number, settled: Effect.Effect<void>) =>
    delivery.envelope.replyTo === undefined
      ? settled
      : Effect.andThen(responder.giveUp(delivery, fault, deadline), settled)

  const as: Settle["as"] = (delivery, decoded, asked) =>
    Effect.withFiber((fiber) => {
      const now = () => fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
      const settlement = possible(responder.decide(decoded, asked, now()))
      const fault = Settlement.faultOf(settlement)
      if (fault !== undefined) failed(fault.reason)
      const deadline = responder.deadlineOf(decoded)
      const settled = (): Effect.Effect<void> => {
        switch (settlement._tag) {
          case "Ack": {
            if (settlement.reply === undefined) return ack(delivery, decoded, now())
            const acked = Effect.suspend(() => ack(delivery, decoded, now()))
            return Effect.andThen(responder.reply(delivery, settlement.reply, deadline), acked)
          }
          case "Requeue":
          case "Pause":
            return requeue(delivery, decoded, now())
          case "Discard":
            return giveUp(delivery, settlement.fault, deadline, discard(delivery, settlement.fault))
          case "DeadLetter":
            return giveUp(
              delivery,
              settlement.fault,
              deadline,
              deadLetter(delivery, deadLetterQueue ?? "", settlement.fault, decoded.envelope)
            )
          case "Retry":
            return retry(delivery, decoded, settlement)
        }
      }
      return observed(delivery, settlement, decoded, spans.settling(fiber, delivery, settlement, true, settled()))
    })

  return {
    possible,
    as,
    retried: ({ delay, fault }, { envelope }) => {
      retried(1)
      if (fault !== undefined) failed(fault.reason)
      return Effect.annotateLogs(
        Effect.logDebug(`Retrying an event of "${name}" in its place in ${Duration.format(delay)}`),
        { eventId: envelope.id, reason: fault?.reason, message: fault?.message }
      )
    },
    refuse: (delivery, fault) =>
      Effect.withFiber((fiber) => {
        failed(fault.reason)
        const settlement = possible(Settlement.deadLetter(fault))
        const settle =
          settlement._tag === "Discard" ? discard(delivery, fault) : deadLetter(delivery, deadLetterQueue ?? "", fault)
        const told = giveUp(delivery, fault, Infinity, settle)
        return observed(delivery, settlement, undefined, spans.settling(fiber, delivery, settlement, false, told))
      })
  }
}
