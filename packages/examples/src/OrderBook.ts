/** The orders, as the API shows them. */

import { Context, Effect, Layer, Schema } from "effect"

export class OrderNotFound extends Schema.TaggedError<OrderNotFound>()(
  "OrderNotFound",
  { orderId: Schema.String },
  { httpApiStatus: 404 }
) {}

export class Order extends Schema.Class<Order>("Order")({
  orderId: Schema.String,
  status: Schema.Literals(["placed", "paid", "declined", "shipped"]),
  /** The receipt, the parcel, or the reason. */
  detail: Schema.String
}) {}

/** An event may come twice, or late: an order never goes back. */
const rank: Readonly<Record<Order["status"], number>> = { placed: 0, paid: 1, declined: 2, shipped: 2 }

export class OrderBook extends Context.Service<
  OrderBook,
  {
    readonly note: (order: Order) => Effect.Effect<void>
    readonly find: (orderId: string) => Effect.Effect<Order, OrderNotFound>
  }
>()("examples/OrderBook") {
  /** A book in memory. It forgets the oldest of more than 10,000 orders. */
  static readonly layer = Layer.sync(OrderBook, () => {
    const orders = new Map<string, Order>()
    return {
      note: (order) =>
        Effect.sync(() => {
          const known = orders.get(order.orderId)
          if (known !== undefined && rank[known.status] >= rank[order.status]) return
          orders.set(order.orderId, order)
          const [oldest] = orders.keys()
          if (orders.size > 10_000 && oldest !== undefined) orders.delete(oldest)
        }),
      find: (orderId) => {
        const order = orders.get(orderId)
        return order === undefined ? Effect.fail(new OrderNotFound({ orderId })) : Effect.succeed(order)
      }
    }
  })
}
