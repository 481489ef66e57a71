import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { Broker, EventBus, EventType, Handler, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"
import { consume, declare, envelope, isDone, nameOf, start, waiting, withBroker } from "./BareBroker.ts"

const publishLater = (name: string, delay: number, fields = {}) =>
  Broker.Broker.use((broker) => broker.publish(envelope(name, fields), delay))

describe("MemoryBroker, with delayed events", () => {
  it.effect("delivers each at the very moment when it is due, up to 49 days later", () =>
    Effect.gen(function* () {
      yield* declare("q")
      const days = 24 * 3_600_000
      for (const delay of [49 * days, 1, 30 * days, 1500]) yield* publishLater(`${delay}`, delay)
      let now = 0
      for (const due of [1, 1500, 30 * days, 49 * days]) {
        const before = yield* waiting("q")
        yield* TestClock.adjust(due - now - 1)
        assert.deepStrictEqual(yield* waiting("q"), before)
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* waiting("q"), [...before, `${due}`])
        now = due
      }
    }).pipe(withBroker())
  )

  it.effect("keeps no more of them than a queue may have, and has room again when they are due", () =>
    Effect.gen(function* () {
      const deliveries = yield* consume("q")
      yield* publishLater("1", 1000)
      yield* publishLater("2", 1000)
      const error = yield* Effect.flip(publishLater("3", 1000))
      assert.deepInclude(error, { _tag: "Blocked", detail: "2 delayed events wait already" })
      yield* TestClock.adjust("1 second")
      for (const name of ["1", "2"]) {
        const delivery = yield* Queue.take(deliveries)
        assert.strictEqual(nameOf(delivery.envelope), name)
        yield* delivery.ack
      }
      yield* publishLater("3", 1000)
    }).pipe(withBroker({ capacity: 2 }))
  )

  it.effect("lets one that is due wait for room in all of its queues, however long that takes", () =>
    Effect.gen(function* () {
      yield* declare("full")
      yield* Broker.Broker.use((broker) => broker.publish(envelope("first")))
      yield* declare("empty")
      yield* publishLater("later", 1000)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Effect.all([waiting("full"), waiting("empty")]), [["first"], []])
      yield* Broker.Broker.use((broker) => broker.purge("full"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* Effect.all([waiting("full"), waiting("empty")]), [["later"], ["later"]])
    }).pipe(withBroker({ capacity: 1 }))
  )

  it.effect("starts their time to live when they are due", () =>
    Effect.gen(function* () {
      yield* declare("q")
      yield* publishLater("brief", 5000, { ttl: 100 })
      yield* TestClock.adjust(5099)
      assert.deepStrictEqual(yield* waiting("q"), ["brief"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Effect.all([waiting("q"), waiting("dlq.q")]), [[], ["brief"]])
    }).pipe(withBroker())
  )

  it.effect("counts the delay of a publish from when it runs, and a deliverAt from the clock", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const Ping = EventType.untyped("ping")
      const due: Array<number | undefined> = []
      yield* bus.subscribe(
        Handler.make(Subscription.make("q", { events: [Ping] }), (_, { envelope: { dueAt } }) =>
          Effect.sync(() => due.push(dueAt))
        )
      )
      const later = bus.publish(yield* Ping.event({}), { delay: "1 minute" })
      const at = bus.publish(yield* Ping.event({}), { deliverAt: 90_000 })
      yield* TestClock.adjust("1 minute")
      yield* later
      yield* at
      const waits = yield* start(Effect.sleep("30 seconds"))
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(yield* isDone(waits))
      assert.deepStrictEqual(due, [90_000])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(due, [90_000, 120_000])
    }).pipe(Effect.provide(EventBus.layer), withBroker())
  )
})
