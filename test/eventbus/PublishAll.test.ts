import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue, Schema } from "effect"
import { EventBus, EventType, Handler, MemoryBroker, Subscription } from "effect-eventbus"

const Counted = EventType.make("test.counted", { payload: Schema.Struct({ n: Schema.Int }) })
const queue = Subscription.make("all", { events: [Counted], concurrency: 10, drainTimeout: "10 millis" })
const make = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    (n) => Counted.event({ n })
  )
const withBroker = (options: MemoryBroker.Options) =>
  Effect.provide(Layer.provide(EventBus.layer, MemoryBroker.layer(options)))

describe("publishAll", () => {
  it.live("ends with the first failure, however many are in flight and to come", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(Handler.make(queue, () => Effect.never))
      const error = yield* Effect.flip(bus.publishAll(yield* make(5000)))
      assert.strictEqual(error.reason._tag, "Blocked")
    }).pipe(withBroker({ capacity: 10, publishTimeout: "100 millis" }))
  )

  it.live("gets thousands through a queue that has room for few, in their order", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const handled = yield* Queue.unbounded<number>()
      yield* bus.subscribe(Handler.make(queue, ({ payload }) => Queue.offer(handled, payload.n)))
      const events = yield* make(20_000)
      yield* bus.publishAll(events)
      const numbers = yield* Queue.takeN(handled, events.length)
      assert.deepStrictEqual(
        numbers,
        events.map(({ payload }) => payload.n)
      )
    }).pipe(withBroker({ capacity: 100, publishTimeout: "60 seconds" }))
  )

  it.live("publishes nothing where there is nothing", () =>
    Effect.flatMap(EventBus.EventBus, (bus) => bus.publishAll([])).pipe(withBroker({ capacity: 1 }))
  )
})
