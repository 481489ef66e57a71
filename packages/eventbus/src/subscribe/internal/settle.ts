/**
 * Settles the deliveries of a subscription, says why, and counts what becomes of
 * them.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Delivery } from "../../broker/Delivery.ts"
import * as Envelope from "../../broker/Envelope.ts"
import type { Fault } from "../../broker/Fault.ts"
import * as QueueSpec from "../../broker/QueueSpec.ts"
import type { Event } from "../../event/Event.ts"
import type * as Spans from "../../telemetry/internal/spans.ts"
import * as Metrics from "../../telemetry/Metrics.ts"
import type { DecodedDelivery } from "../DecodedDelivery.ts"
import * as Settlement from "../Settlement.ts"
import type { Subscription } from "../Subscription.ts"

export interface Settling {
  readonly settle: (
    delivery: Delivery,
    decoded: DecodedDelivery,
    settlement: Settlement.Settlement
  ) => Effect.Effect<void>
  /** Settles a delivery that no handler is to see. */
  readonly refuse: (delivery: Delivery, fault: Fault) => Effect.Effect<void>
}

const because = (delivery: Delivery, fault: Fault | undefined) =>
  Effect.annotateLogs({ eventId: delivery.envelope.id, reason: fault?.reason, message: fault?.message })

export const make = (subscription: Subscription<Event>, spans: Spans.Spans, registry: Metrics.Registry): Settling => {
  const { atMostOnce, deadLetterQueue, name: queue } = subscription
  const labels = Metrics.labelsOf(subscription)
  const handled = Metrics.all.handled.series(registry, labels)
  const criticalSeconds = Metrics.all.criticalSeconds.series(registry, labels)
  const retried = Metrics.all.retried.series(registry, labels)
  const deadLettered = Metrics.all.deadLettered.series(registry, labels)
  const discarded = Metrics.all.discarded.series(registry, labels)
  const failed = Metrics.byErrorType((error_type) => Metrics.all.failed.series(registry, { ...labels, error_type }))

  // Brokers count these, wherever they find one out.
  Metrics.all.staleSettlements.series(registry, {})

  /** What can be done of what is asked for. */
  const possible = (settlement: Settlement.Settlement): Settlement.Settlement =>
    (settlement._tag === "Retry" && atMostOnce) || (settlement._tag === "DeadLetter" && deadLetterQueue === undefined)
      ? Settlement.discard(settlement.fault)
      : settlement

  const discard = (delivery: Delivery, fault: Fault | undefined) =>
    Effect.logWarning(`Discarded an event of "${queue}"`).pipe(
      because(delivery, fault),
      Effect.andThen(Effect.sync(() => discarded(1))),
      Effect.andThen(delivery.ack)
    )

  const deadLetter = (delivery: Delivery, fault: Fault | undefined) =>
    Effect.logWarning(`Dead-lettered an event of "${queue}"`).pipe(
      because(delivery, fault),
      Effect.andThen(delivery.deadLetter(Envelope.deadLettered(delivery.envelope, fault))),
      Effect.andThen(Effect.sync(() => deadLettered(1)))
    )

  const retry = (delivery: Delivery, { attempt, event }: DecodedDelivery, settlement: Settlement.Retry) => {
    // A dead letter goes on saying why it is one, however often its handler fails.
    const fault = (QueueSpec.isDeadLetterQueue(queue) ? delivery.envelope.fault : undefined) ?? settlement.fault
    const retryCount = Math.max(event.retryCount, attempt)
    const envelope = Envelope.retried(delivery.envelope, { number: attempt + 1, retryCount, fault })
    const millis = Math.max(0, Math.round(Duration.toMillis(settlement.delay)))
    return Effect.logDebug(`Retrying an event of "${queue}" in ${millis} ms`).pipe(
      because(delivery, settlement.fault),
      Effect.andThen(delivery.retry(envelope, millis)),
      Effect.andThen(Effect.sync(() => retried(1)))
    )
  }

  const ack = (delivery: Delivery, { event }: DecodedDelivery, now: number) => {
    handled(1)
    criticalSeconds(Math.max(0, now - DateTime.toEpochMillis(event.timestamp)) / 1000)
    return delivery.ack
  }

  return {
    settle: (delivery, decoded, asked) =>
      Effect.withFiber((fiber) => {
        const settlement = possible(asked)
        const fault = Settlement.faultOf(settlement)
        if (fault !== undefined) failed(fault.reason)
        const settle = () => {
          switch (settlement._tag) {
            case "Ack":
              return ack(delivery, decoded, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
            case "Requeue":
              return delivery.requeue
            case "Discard":
              return discard(delivery, settlement.fault)
            case "DeadLetter":
              return deadLetter(delivery, settlement.fault)
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
        const settle = settlement._tag === "Discard" ? discard(delivery, fault) : deadLetter(delivery, fault)
        return spans.settling(fiber, delivery, settlement, false, settle)
      })
  }
}
