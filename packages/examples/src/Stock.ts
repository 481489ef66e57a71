/** The worker that replies to requests for stock. */

import { Effect } from "effect"
import { FailurePolicy, Handler, Request, Subscription } from "effect-eventbus"
import { OutOfStock, ReserveStock } from "./Events.ts"
import { Inventory } from "./Inventory.ts"

/** Its typed error is a reply, too: the requester gets it as the same class. */
export const stock = Request.handle(
  Subscription.make("stock", { events: [ReserveStock], concurrency: 8 }),
  ReserveStock,
  Effect.fnUntraced(function* ({ payload: { orderId, quantity, sku } }) {
    const inventory = yield* Inventory
    const { isReserved, left } = yield* inventory.reserve(orderId, sku, quantity)
    if (!isReserved) return yield* new OutOfStock({ sku, left })
    return { left }
  })
).pipe(Handler.onFailure(FailurePolicy.retryUpToMax))
