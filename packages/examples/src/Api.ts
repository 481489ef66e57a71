/** The HTTP API of the shop. */

import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { OutOfStock } from "./Events.ts"
import { Order, OrderNotFound } from "./OrderBook.ts"

/** The shop cannot take orders now. A client may try again. */
export class ShopClosed extends Schema.TaggedError<ShopClosed>()(
  "ShopClosed",
  { reason: Schema.String },
  { httpApiStatus: 503 }
) {}

export class PlaceOrder extends Schema.Class<PlaceOrder>("PlaceOrder")({
  sku: Schema.NonEmptyString,
  quantity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
  cents: Schema.Int.check(Schema.isGreaterThan(0)),
  card: Schema.NonEmptyString,
  address: Schema.String
}) {}

export class Orders extends HttpApiGroup.make("orders")
  .add(
    HttpApiEndpoint.post("place", "/", {
      payload: PlaceOrder,
      success: Order.pipe(HttpApiSchema.status(202)),
      error: [OutOfStock, ShopClosed]
    }),
    HttpApiEndpoint.get("find", "/:orderId", {
      params: { orderId: Schema.String },
      success: Order,
      error: OrderNotFound
    })
  )
  .prefix("/orders") {}

export class Api extends HttpApi.make("shop").add(Orders) {}
