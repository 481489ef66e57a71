/**
 * Opens the bodies of deliveries, and hands them on in the order in which they came.
 *
 * @internal
 */

import type { Delivery, Unreadable } from "effect-eventbus/Delivery"
import type { Envelope } from "effect-eventbus/Envelope"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Seal } from "./Seal.ts"
import * as SealedPayload from "./sealedPayload.ts"

/** A delivery whose body was opened, or could not be. */
export class OpenedDelivery implements Delivery {
  private readonly delivery: Delivery
  readonly envelope: Envelope
  readonly unreadable: Unreadable | undefined

  constructor(delivery: Delivery, envelope: Envelope, unreadable?: Unreadable) {
    this.delivery = delivery
    this.envelope = envelope
    this.unreadable = unreadable
  }

  get session(): unknown {
    return this.delivery.session
  }

  get redelivered(): boolean {
    return this.delivery.redelivered
  }

  get returns(): number | undefined {
    return this.delivery.returns
  }

  isLive(): boolean {
    return this.delivery.isLive()
  }

  get ack(): Effect.Effect<void> {
    return this.delivery.ack
  }

  get requeue(): Effect.Effect<void> {
    return this.delivery.requeue
  }
}

/** The delays between two questions to a store that does not answer. */
const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered
)

/** Opens the body of a delivery. Waits for a store that does not answer for as long as the delivery is live. */
const open = (delivery: Delivery, seal: Seal): Effect.Effect<Delivery> => {
  let isReported = false
  return seal.open(delivery.envelope).pipe(
    Effect.tapError((error) => {
      if (!error.isRetryable || isReported) return Effect.void
      isReported = true
      return Effect.logWarning(`Cannot open an event yet: ${error.message}`)
    }),
    Effect.retry({ schedule: backoff, while: (error) => error.isRetryable && delivery.isLive() }),
    Effect.map((envelope) => new OpenedDelivery(delivery, envelope)),
    Effect.catch(({ code, detail }) => {
      seal.leave(delivery.envelope)
      return Effect.succeed(new OpenedDelivery(delivery, delivery.envelope, { code, detail }))
    })
  )
}

/** A place in the order of deliveries. */
interface Place {
  ready: Delivery | undefined
}

/** Returns a function that opens deliveries and hands them on. */
export const make = (
  seal: Seal,
  fork: (effect: Effect.Effect<void>) => unknown,
  deliver: (delivery: Delivery) => void
): ((delivery: Delivery) => void) => {
  /** At most as many as the consumer may hold, and those of channels that are lost. */
  const places = new Array<Place>()

  const proceed = (): void => {
    for (let first = places[0]; first?.ready !== undefined; first = places[0]) {
      places.shift()
      deliver(first.ready)
    }
  }

  return (delivery) => {
    const isSealed = SealedPayload.read(delivery.envelope) !== undefined
    if (!isSealed && places.length === 0) return deliver(delivery)
    const place: Place = { ready: isSealed ? undefined : delivery }
    places.push(place)
    if (!isSealed) return
    fork(
      Effect.map(open(delivery, seal), (opened) => {
        place.ready = opened
        proceed()
      })
    )
  }
}
