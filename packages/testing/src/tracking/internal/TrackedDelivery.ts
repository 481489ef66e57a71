/**
 * A delivery that tells the tracker how it ends.
 *
 * @internal
 */

import type { Delivery } from "effect-eventbus/Delivery"
import type { Envelope } from "effect-eventbus/Envelope"
import * as Effect from "effect/Effect"
import type { Copy } from "./Activity.ts"

interface Listener {
  readonly acknowledged: (delivery: TrackedDelivery) => void
  readonly returned: () => void
}

export class TrackedDelivery implements Delivery {
  /** An object of its own, by which the delivery is known wherever its envelope is passed on. */
  readonly envelope: Envelope
  readonly redelivered: boolean
  readonly returns: number | undefined
  readonly copy: Copy
  /** The consumer that received it. */
  readonly consumer: object
  /** Whether a subscription has received it. */
  isReceived = false
  isAcknowledged = false
  private isReturned = false
  private readonly delivery: Delivery
  private readonly listener: Listener

  constructor(delivery: Delivery, copy: Copy, consumer: object, listener: Listener) {
    this.delivery = delivery
    this.envelope = { ...delivery.envelope }
    this.redelivered = delivery.redelivered
    this.returns = delivery.returns
    this.copy = copy
    this.consumer = consumer
    this.listener = listener
  }

  get session(): unknown {
    return this.delivery.session
  }

  /** Whether it was settled while it was live. */
  get isSettled(): boolean {
    return this.isAcknowledged || this.isReturned
  }

  isLive(): boolean {
    return this.delivery.isLive()
  }

  get ack(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.isLive()) return this.delivery.ack
      this.isAcknowledged = true
      return Effect.map(this.delivery.ack, () => this.listener.acknowledged(this))
    })
  }

  get requeue(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isLive()) {
        this.isReturned = true
        this.listener.returned()
      }
      return this.delivery.requeue
    })
  }
}
