import { Tracker } from "@effect-eventbus/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { EventBus } from "effect-eventbus"
import { HttpServer } from "effect/http"
import { HttpApiTest } from "effect/http-api"
import { Api, PlaceOrder } from "../../packages/examples/src/Api.ts"
import * as CardService from "../../packages/examples/src/CardService.ts"
import { OrderDeclined, OrderPaid, OrderPlaced, OrderShipped } from "../../packages/examples/src/Events.ts"
import * as Inventory from "../../packages/examples/src/Inventory.ts"
import { OrderBook } from "../../packages/examples/src/OrderBook.ts"
import * as OrdersApi from "../../packages/examples/src/OrdersApi.ts"
import { shipping } from "../../packages/examples/src/Shipping.ts"
import * as Shop from "../../packages/examples/src/Shop.ts"

const wanted = { sku: "mug", quantity: 1, cents: 1200, card: "card-1", address: "1 Main Street" }

/** The shop with a tracked bus in memory, and a client of its API. */
const shop = (workers: typeof Shop.workers, options: Partial<CardService.Options> = {}) =>
  Layer.mergeAll(OrdersApi.layer, workers).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        CardService.layer({ busyEvery: 0, limit: 100_000, ...options }),
        Inventory.layer(5),
        OrderBook.layer,
        HttpServer.layerServices
      )
    ),
    Layer.provideMerge(Tracker.layerMemory)
  )

const place = (order: Partial<typeof wanted> = {}) =>
  Effect.gen(function* () {
    const client = yield* HttpApiTest.groups(Api, ["orders"])
    return yield* client.orders.place({ payload: new PlaceOrder({ ...wanted, ...order }) })
  })

const find = (orderId: string) =>
  Effect.gen(function* () {
    const client = yield* HttpApiTest.groups(Api, ["orders"])
    return yield* client.orders.find({ params: { orderId } })
  })

describe("The shop", () => {
  it.effect("takes an order, charges the card and ships the parcel", () =>
    Effect.gen(function* () {
      const session = yield* Tracker.track(place())
      const { orderId, status } = session.value
      assert.strictEqual(status, "placed")
      assert.deepStrictEqual(
        session.of(OrderPaid).published.map(({ payload }) => payload.orderId),
        [orderId]
      )
      assert.strictEqual(session.of(OrderShipped).handled.length, 1)
      assert.deepStrictEqual([session.deadLettered, session.unroutable, session.waiting], [[], [], []])
      assert.strictEqual((yield* find(orderId)).status, "shipped")
    }).pipe(Effect.provide(shop(Shop.workers)))
  )

  it.effect("tries again while the card service is busy", () =>
    Effect.gen(function* () {
      const first = yield* Tracker.track(place())
      const second = yield* Tracker.track(place(), { due: "1 minute" })
      assert.deepStrictEqual(first.retried, [])
      assert.deepStrictEqual(
        second.of(OrderPlaced).retried.map(({ delay, fault, queue }) => [queue, fault?.reason, delay]),
        [["billing", "CardServiceBusy", 1000]]
      )
      assert.strictEqual((yield* find(second.value.orderId)).status, "shipped")
    }).pipe(Effect.provide(shop(Shop.workers, { busyEvery: 2 })))
  )

  it.effect("tells why a card was declined, and ships nothing", () =>
    Effect.gen(function* () {
      const session = yield* Tracker.track(place({ cents: 200_000 }))
      assert.strictEqual(session.of(OrderDeclined).handled.length, 1)
      assert.deepStrictEqual(session.of(OrderShipped).published, [])
      const { detail, status } = yield* find(session.value.orderId)
      assert.deepStrictEqual([status, detail], ["declined", "the amount is above 100000 cents"])
    }).pipe(Effect.provide(shop(Shop.workers)))
  )

  it.effect("keeps an order whose address is wrong as a dead letter, until it is mended", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const session = yield* Tracker.track(place({ address: " " }))
      const [letter] = session.of(OrderPaid).deadLettered
      assert.isDefined(letter)
      assert.strictEqual(letter.fault?.reason, "AddressUnknown")
      const mended = { ...letter.event.payload, address: "1 Main Street" }
      const again = yield* Tracker.track(bus.deadLetters(shipping.subscription.name).edit(letter.event.eventId, mended))
      assert.strictEqual(again.of(OrderShipped).handled.length, 1)
      assert.strictEqual((yield* find(session.value.orderId)).status, "shipped")
    }).pipe(Effect.provide(shop(Shop.workers)))
  )

  it.effect("takes no order for more than there is", () =>
    Effect.gen(function* () {
      yield* Tracker.track(place({ quantity: 4 }))
      const session = yield* Tracker.track(Effect.flip(place({ quantity: 2 })))
      assert.deepInclude(session.value, { _tag: "OutOfStock", sku: "mug", left: 1 })
      assert.deepStrictEqual(session.of(OrderPlaced).published, [])
    }).pipe(Effect.provide(shop(Shop.workers)))
  )

  it.effect("is closed while the stock does not answer", () =>
    Effect.gen(function* () {
      const session = yield* Tracker.track(Effect.flip(place()), { due: "1 minute" })
      assert.deepInclude(session.value, { _tag: "ShopClosed" })
      assert.strictEqual(session.unroutable.length, 1)
    }).pipe(Effect.provide(shop(Layer.empty)))
  )

  it.effect("knows no order that it did not take", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(find("o-1"))
      assert.deepInclude(error, { _tag: "OrderNotFound", orderId: "o-1" })
    }).pipe(Effect.provide(shop(Shop.workers)))
  )
})
