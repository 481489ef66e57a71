/** The events and requests of the shop. */

import { Schema } from "effect"
import { EventType, Request } from "effect-eventbus"

const orderId = Schema.String

/** There is less of an article than an order needs. It is a reply of the stock, and of the HTTP API. */
export class OutOfStock extends Schema.TaggedError<OutOfStock>()(
  "OutOfStock",
  { sku: Schema.String, left: Schema.Int },
  { httpApiStatus: 409 }
) {}

/** The request to reserve what an order needs. The reply is the number that is left. */
export const ReserveStock = Request.make("stock.reserve", {
  payload: Schema.Struct({ orderId, sku: Schema.String, quantity: Schema.Int }),
  success: Schema.Struct({ left: Schema.Int }),
  error: OutOfStock
})

export const OrderPlaced = EventType.make("order.placed", {
  payload: Schema.Struct({
    orderId,
    sku: Schema.String,
    quantity: Schema.Int,
    cents: Schema.Int,
    card: Schema.String,
    address: Schema.String
  })
})

export const OrderPaid = EventType.make("order.paid", {
  payload: Schema.Struct({ orderId, receipt: Schema.String, address: Schema.String })
})

export const OrderDeclined = EventType.make("order.declined", {
  payload: Schema.Struct({ orderId, reason: Schema.String })
})

export const OrderShipped = EventType.make("order.shipped", {
  payload: Schema.Struct({ orderId, parcel: Schema.String })
})
