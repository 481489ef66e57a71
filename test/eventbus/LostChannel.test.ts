import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Latch, Layer, Queue } from "effect"
import { Broker, type Delivery, EventBus, EventType, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { envelope } from "./BareBroker.ts"

const Ping = EventType.untyped("ping")
const queue = Subscription.make("q", { events: [Ping], concurrency: 2 })

const body = (n: number) =>
  new TextEncoder().encode(
    JSON.stringify({
      event_id: crypto.randomUUID(),
      event_type: "ping",
      timestamp: "2026-01-01T00:00:00.000+00:00",
      payload: { n }
    })
  )

/** A channel that brings deliveries, and is lost when someone says so. */
const channel = (settled: Array<string>) => {
  let isOpen = true
  const delivery = (n: number): Delivery.Delivery => {
    const settle = (how: string) => Effect.sync(() => settled.push(`${how} ${n}`))
    return {
      envelope: { ...envelope("ping"), body: body(n) },
      redelivered: false,
      isLive: () => isOpen,
      ack: settle("ack"),
      requeue: settle("requeue")
    }
  }
  const lose = () => {
    isOpen = false
  }
  return { delivery, lose }
}

/** A bus on a broker whose deliveries come from the test. */
const rig = Effect.gen(function* () {
  const memory = yield* Broker.Broker
  const delivering = yield* Deferred.make<(delivery: Delivery.Delivery) => void>()
  const broker = Broker.Broker.of({
    ...memory,
    consume: (_, deliver) => Effect.as(Deferred.succeed(delivering, deliver), { cancel: Effect.void })
  })
  const context = yield* Layer.build(Layer.provide(EventBus.layer, Layer.succeed(Broker.Broker, broker)))
  return { bus: Context.get(context, EventBus.EventBus), deliver: Deferred.await(delivering) }
}).pipe(Effect.provide(MemoryBroker.layer()))

describe("Deliveries of channels that are lost", () => {
  it.effect("wait for room in their order, and are replaced by those that the broker delivers again", () =>
    Effect.gen(function* () {
      const { bus, deliver } = yield* rig
      const settled: Array<string> = []
      const begun: Array<unknown> = []
      const go = yield* Latch.make()
      yield* bus.subscribe(
        Handler.make(queue, ({ payload }) => {
          begun.push(payload["n"])
          return go.await
        })
      )
      const give = yield* deliver
      const first = channel(settled)
      for (const n of [1, 2]) give(first.delivery(n))
      assert.deepStrictEqual(begun, [1, 2], "what there is room for begins at once")
      first.lose()
      const second = channel(settled)
      for (const n of [1, 2]) give(second.delivery(n))
      second.lose()
      const third = channel(settled)
      for (const n of [1, 2]) give(third.delivery(n))
      assert.deepStrictEqual(begun, [1, 2], "no more are handled at once than the concurrency says")
      yield* go.open
      yield* Effect.yieldNow
      assert.deepStrictEqual(begun, [1, 2, 1, 2], "none of the second channel's")
    })
  )

  it.effect("are dropped by an unread stream as soon as the broker delivers them again", () =>
    Effect.gen(function* () {
      const memory = yield* Broker.Broker
      const settled: Array<string> = []
      const [first, second] = [channel(settled), channel(settled)]
      const deliveries = yield* Broker.deliveries(
        {
          ...memory,
          consume: (_, deliver) => {
            for (const { delivery } of [first, second]) [1, 2].forEach((n) => deliver(delivery(n)))
            return Effect.succeed({ cancel: Effect.void })
          }
        },
        queue
      )
      first.lose()
      const kept = yield* Queue.takeAll(deliveries)
      assert.deepStrictEqual(
        kept.map((delivery) => delivery.isLive()),
        [true, true]
      )
    }).pipe(Effect.provide(MemoryBroker.layer()))
  )
})
