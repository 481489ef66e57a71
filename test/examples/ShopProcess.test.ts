import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Node from "../amqp/support/OwnNode.ts"
import * as Process from "../cli/Process.ts"
import { eventually } from "../support/eventually.ts"

const main = join(import.meta.dirname, "../../packages/examples/src/main.ts")
const order = { sku: "mug", quantity: 1, cents: 1200, card: "card-1", address: "1 Main Street" }

/** The shop as a process, and the ways to ask it. */
const start = (args: ReadonlyArray<string>, env: Process.Env) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const shop = Process.startModule(main, args, { SHOP_PORT: "0", NO_COLOR: "1", ...env })
      await shop.output("Listening on http")
      return shop
    }),
    (shop) =>
      Effect.promise(() => {
        shop.interrupt()
        return shop.ended
      })
  ).pipe(
    Effect.map((shop) => {
      const [base = ""] = /http:\/\/[\d.:]+/.exec(shop.said()) ?? []
      const ask = (path: string, init: RequestInit = {}) =>
        Effect.promise(async () => {
          const response = await fetch(base + path, { ...init, signal: AbortSignal.timeout(60_000) })
          return { status: response.status, text: await response.text() }
        })
      const place = ask("/orders", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(order)
      })
      const isShipped = (orderId: string) =>
        eventually(
          "the order is shipped",
          Effect.map(ask(`/orders/${orderId}`), ({ text }) => JSON.parse(text).status === "shipped"),
          { atMost: "60 seconds" }
        )
      return { shop, ask, place, isShipped }
    })
  )

/** Returns the id of an order that was taken. */
const idOf = ({ status, text }: { readonly status: number; readonly text: string }): string => {
  assert.strictEqual(status, 202, text)
  return String(JSON.parse(text).orderId)
}

describe.concurrent("The process of the shop", () => {
  it.live("takes orders in memory, says how it is, and ends when it is asked to", () =>
    Effect.gen(function* () {
      const { ask, isShipped, place, shop } = yield* start([], {})
      assert.strictEqual((yield* ask("/health/ready")).status, 200)
      const orderId = idOf(yield* place)
      yield* isShipped(orderId)
      assert.include((yield* ask("/metrics")).text, 'eventbus_handled_total{queue="shipping"} 1')
      assert.include((yield* ask("/openapi.json")).text, '"/orders/{orderId}"')
      assert.strictEqual((yield* ask("/orders/none")).status, 404)
      shop.interrupt()
      const { stderr } = yield* Effect.promise(() => shop.ended)
      assert.strictEqual(stderr, "")
    })
  )
})

describe.skipIf(!Node.isPossible)("The process of the shop, on RabbitMQ", () => {
  const node = Node.ownNode()

  it.live("goes on with an order that another process has taken", () =>
    Effect.gen(function* () {
      const onRabbit = ["--broker", "amqp"]
      const orderId = yield* Effect.scoped(
        Effect.gen(function* () {
          const { ask, place } = yield* start(onRabbit, { ...Process.at(node.url), SHOP_CARD_BUSY_EVERY: "1" })
          const orderId = idOf(yield* place)
          yield* eventually(
            "the card service was busy",
            Effect.map(ask("/metrics"), ({ text }) => /eventbus_retried_total\{queue="billing"\} [1-9]/.test(text))
          )
          return orderId
        })
      )
      const { isShipped } = yield* start(onRabbit, { ...Process.at(node.url), SHOP_CARD_BUSY_EVERY: "0" })
      yield* isShipped(orderId)
    })
  )
})
