/**
 * A dead letter that is handled where it is, instead of in its queue.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import type { Browsed } from "../../broker/Broker.ts"
import type { Delivery } from "../../broker/Delivery.ts"
import type { Envelope } from "../../broker/Envelope.ts"

/** A delivery whose acknowledgement removes the dead letter. One that is put back stays. */
export class DeadLetterDelivery implements Delivery {
  readonly envelope: Envelope
  readonly redelivered = true
  isRemoved = false
  private readonly remove: Browsed["remove"]
  private readonly isOver: () => boolean

  constructor(envelope: Envelope, remove: Browsed["remove"], isOver: () => boolean) {
    this.envelope = envelope
    this.remove = remove
    this.isOver = isOver
  }

  isLive(): boolean {
    return !this.isRemoved && !this.isOver()
  }

  get ack(): Effect.Effect<void> {
    return Effect.matchEffect(this.remove, {
      onSuccess: () =>
        Effect.sync(() => {
          this.isRemoved = true
        }),
      onFailure: (error) => Effect.logWarning(`A dead letter is handled, but not removed: ${error.message}`)
    })
  }

  get requeue(): Effect.Effect<void> {
    return Effect.void
  }
}
