/** The endpoints of the orders. */

import { Effect } from "effect"
import { Correlation, EventBus, Request } from "effect-eventbus"
import { HttpApiBuilder } from "effect/http-api"
import { Api, type PlaceOrder, ShopClosed } from "./Api.ts"
import { OrderPlaced, ReserveStock } from "./Events.ts"
import { Order, OrderBook } from "./OrderBook.ts"

/** Takes an order: the answer waits for the stock, and for the event to be safe. Nothing else is waited for. */
const place = Effect.fnUntraced(function* ({ address, card, cents, quantity, sku }: PlaceOrder) {
  const bus = yield* EventBus.EventBus
  const book = yield* OrderBook
  const orderId = crypto.randomUUID()
  const taken = Effect.gen(function* () {
    yield* Request.call(ReserveStock, { orderId, sku, quantity }, { timeout: "5 seconds" })
    yield* bus.publish(yield* OrderPlaced.event({ orderId, sku, quantity, cents, card, address }))
    const order = new Order({ orderId, status: "placed", detail: "" })
    yield* book.note(order)
    return order
  })
  return yield* taken.pipe(
    // The order is the trace, so that all that comes of it can be found by its id.
    Effect.provideService(Correlation.Current, { ...Correlation.none, traceId: orderId }),
    Effect.catchTags({
      PublishError: (error) => Effect.fail(new ShopClosed({ reason: error.message })),
      RequestError: (error) => Effect.fail(new ShopClosed({ reason: error.message }))
    })
  )
})

export const layer = HttpApiBuilder.group(
  Api,
  "orders",
  Effect.fnUntraced(function* (handlers) {
    const context = yield* Effect.context<EventBus.EventBus | OrderBook>()
    const book = yield* OrderBook
    return handlers.handleAll({
      place: ({ payload }) => Effect.provideContext(place(payload), context),
      find: ({ params }) => book.find(params.orderId)
    })
  })
)
