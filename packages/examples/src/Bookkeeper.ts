/** The worker that keeps the order book up to date. */

import { Effect } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import { OrderDeclined, OrderPaid, OrderPlaced, OrderShipped } from "./Events.ts"
import { Order, OrderBook } from "./OrderBook.ts"

export const bookkeeper = Handler.make(
  Subscription.make("bookkeeper", { events: [OrderPlaced, OrderPaid, OrderDeclined, OrderShipped] }),
  Effect.fnUntraced(function* (event) {
    const book = yield* OrderBook
    const { orderId } = event.payload
    switch (event.eventType) {
      case "order.placed":
        return yield* book.note(new Order({ orderId, status: "placed", detail: "" }))
      case "order.paid":
        return yield* book.note(new Order({ orderId, status: "paid", detail: event.payload.receipt }))
      case "order.declined":
        return yield* book.note(new Order({ orderId, status: "declined", detail: event.payload.reason }))
      case "order.shipped":
        return yield* book.note(new Order({ orderId, status: "shipped", detail: event.payload.parcel }))
    }
  })
)
