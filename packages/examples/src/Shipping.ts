/** The worker that hands parcels to the carrier. */

import { Effect, Schema } from "effect"
import { EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { OrderPaid, OrderShipped } from "./Events.ts"

export class AddressUnknown extends Schema.TaggedError<AddressUnknown>()("AddressUnknown", { address: Schema.String }) {
  override get message(): string {
    return `the carrier does not know "${this.address}"`
  }
}

/** Another attempt does not mend an address: a person must, so the event becomes a dead letter. */
export const shipping = Handler.make(
  Subscription.make("shipping", { events: [OrderPaid], concurrency: 8 }),
  Effect.fnUntraced(function* ({ payload: { address, orderId } }) {
    if (address.trim() === "") return yield* new AddressUnknown({ address })
    const bus = yield* EventBus.EventBus
    yield* bus.publish(yield* OrderShipped.event({ orderId, parcel: `parcel-${orderId.slice(0, 8)}` }))
  })
).pipe(
  Handler.onFailure(
    FailurePolicy.tags({ AddressUnknown: FailurePolicy.deadLetter, PublishError: FailurePolicy.retryUpToMax })
  )
)
