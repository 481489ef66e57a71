/** The worker that charges the cards. */

import { Effect, Schedule } from "effect"
import { EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { CardService } from "./CardService.ts"
import { OrderDeclined, OrderPaid, OrderPlaced } from "./Events.ts"

/** A card that is declined is an answer, not a failure. */
export const billing = Handler.make(
  Subscription.make("billing", { events: [OrderPlaced], concurrency: 8 }),
  Effect.fnUntraced(function* ({ payload: { address, card, cents, orderId } }) {
    const bus = yield* EventBus.EventBus
    const cards = yield* CardService
    const event = yield* Effect.matchEffect(cards.charge(orderId, card, cents), {
      onSuccess: (receipt) => OrderPaid.event({ orderId, receipt, address }),
      onFailure: (error) =>
        error._tag === "CardDeclined" ? OrderDeclined.event({ orderId, reason: error.reason }) : Effect.fail(error)
    })
    yield* bus.publish(event)
  })
).pipe(
  Handler.timeout("10 seconds"),
  Handler.onFailure(
    FailurePolicy.tags({
      CardServiceBusy: FailurePolicy.retry(Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 5 }))),
      TimeoutError: FailurePolicy.retryUpToMax,
      PublishError: FailurePolicy.retryUpToMax
    })
  )
)
