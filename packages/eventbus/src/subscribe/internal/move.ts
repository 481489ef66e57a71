/**
 * Moves a delivery to another queue: its envelope is safe there before the delivery
 * is acknowledged, so that a crash in between makes a duplicate and never a loss.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Broker } from "../../broker/Broker.ts"
import * as Delivery from "../../broker/Delivery.ts"
import type { Envelope } from "../../broker/Envelope.ts"
import * as Metrics from "../../telemetry/Metrics.ts"
import type { StalledSettlements } from "./StalledSettlements.ts"

/** A function that moves the deliveries of one queue. */
export interface Move {
  /** Succeeds with `true` when the delivery was moved, and with `false` when the broker has taken it back. */
  (delivery: Delivery.Delivery, to: string, envelope: Envelope, delay?: number | undefined): Effect.Effect<boolean>
}

/** The delays between two attempts of a move. */
const backoff = Schedule.min([Schedule.exponential("150 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

/** Creates a mover for the deliveries of a queue. */
export const make = (
  broker: Broker["Service"],
  queue: { readonly name: string; readonly temporary: boolean },
  registry: Metrics.Registry,
  stalled: StalledSettlements
): Move => {
  const { name } = queue
  const settlementsStalled = Metrics.all.settlementsStalled.series(registry, Metrics.labelsOf(queue))

  return (delivery, to, envelope, delay) =>
    Effect.suspend(() => {
      if (!delivery.isLive()) return Effect.as(Delivery.countStale, false)
      const { host } = broker
      const fault = envelope.fault && { ...envelope.fault, host: envelope.fault.host ?? host }
      const origin = { queue: name, exchange: broker.destination === "" ? undefined : broker.destination }
      let isStalled = false
      const resolved = () => {
        if (!isStalled) return
        settlementsStalled(-1)
        stalled.remove(delivery)
      }
      return broker.put(to, { ...envelope, origin, fault }, delay).pipe(
        Effect.tapError((reason) => {
          if (!delivery.isLive()) return Effect.void
          if (!isStalled) settlementsStalled(1)
          isStalled = true
          const log = stalled.add(delivery, name, reason) ? Effect.logWarning : Effect.logDebug
          return log(`Cannot settle an event of "${name}" yet: ${reason.message}`)
        }),
        Effect.retry({ schedule: backoff, while: () => delivery.isLive() }),
        Effect.matchEffect({
          onSuccess: () => Effect.as(delivery.ack, true),
          onFailure: () => Effect.as(Delivery.countStale, false)
        }),
        Effect.ensuring(Effect.sync(resolved))
      )
    })
}
