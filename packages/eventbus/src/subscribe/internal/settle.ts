/**
 * Settles the deliveries of a subscription, logs the reasons, and counts the outcomes.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
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
import * as Settlement from "../Settlement.ts"
import type { Subscription } from "../Subscription.ts"
import type { DeliverySpans } from "./deliverySpans.ts"
import * as Move from "./move.ts"
import type { StalledSettlements } from "./StalledSettlements.ts"

export interface Settle {
  /** Settles a delivery as asked. */
  readonly as: (delivery: Delivery, decoded: DecodedDelivery, settlement: Settlement.Settlement) => Effect.Effect<void>
  /** Dead-letters a delivery that must not reach the handler. */
  readonly refuse: (delivery: Delivery, fault: Fault) => Effect.Effect<void>
}

/** The number of returns after which a message is published again instead, before its broker dead-letters it. */
const mostReturns = 5

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
  stalled: StalledSettlements
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
    criticalSeconds(Math.max(0, now - DateTime.toEpochMillis(event.timestamp)) / 1000)
    return delivery.ack
  }

  const requeue = (delivery: Delivery, { attempt, event }: DecodedDelivery, now: number) => {
    const isCounted = (delivery.returns ?? 0) >= mostReturns && !QueueSpec.isDeadLetterQueue(name)
    if (!isCounted) return delivery.requeue
    const { timestamp, ttlSeconds } = event
    const expiresAt = ttlSeconds === undefined ? undefined : DateTime.toEpochMillis(timestamp) + ttlSeconds * 1000
    const ttl = expiresAt === undefined ? undefined : Math.max(0, Math.round(expiresAt - now))
    return Effect.asVoid(move(delivery, name, { ...delivery.envelope, attempt, ttl }))
  }

  const discard = (delivery: Delivery, fault: Fault | undefined) =>
    Effect.logWarning(`Discarded an event of "${name}"`).pipe(
      annotate(delivery, fault),
      Effect.andThen(Effect.sync(() => discarded(1))),
      Effect.andThen(delivery.ack)
    )

  const deadLetter = (delivery: Delivery, to: string, fault: Fault | undefined) =>
    Effect.flatMap(move(delivery, to, Envelope.deadLettered(delivery.envelope, fault)), (isDone) => {
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

  /** Turns a settlement that the subscription does not support into a discard. */
  const possible = (settlement: Settlement.Settlement): Settlement.Settlement =>
    (settlement._tag === "Retry" && atMostOnce) || (settlement._tag === "DeadLetter" && deadLetterQueue === undefined)
      ? Settlement.discard(settlement.fault)
      : settlement

  return {
    as: (delivery, decoded, asked) =>
      Effect.withFiber((fiber) => {
        const settlement = possible(asked)
        const fault = Settlement.faultOf(settlement)
        if (fault !== undefined) failed(fault.reason)
        const settle = () => {
          switch (settlement._tag) {
            case "Ack":
              return ack(delivery, decoded, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
            case "Requeue":
              return requeue(delivery, decoded, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
            case "Discard":
              return discard(delivery, settlement.fault)
            case "DeadLetter":
              return deadLetter(delivery, deadLetterQueue ?? "", settlement.fault)
            case "Retry":
              return retry(delivery, decoded, settlement)
          }
        }
        return spans.settling(fiber, delivery, settlement, true, settle())
      }),
    refuse: (delivery, fault) =>
      Effect.withFiber((fiber) => {
        failed(fault.reason)
        const settlement = possible(Settlement.deadLetter(fault))
        const settle =
          settlement._tag === "Discard" ? discard(delivery, fault) : deadLetter(delivery, deadLetterQueue ?? "", fault)
        return spans.settling(fiber, delivery, settlement, false, settle)
      })
  }
}
