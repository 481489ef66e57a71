import { Effect } from "effect"
import { EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"

export const InvoicePaid = EventType.untyped("invoice.paid")

export const billing = Handler.make(Subscription.make("billing", { events: [InvoicePaid] }), () =>
  Effect.fail("offline")
).pipe(Handler.onFailure(FailurePolicy.deadLetter))
