import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Layer, Metric, Queue, Scope } from "effect"
import { Broker, type Envelope, MemoryBroker } from "effect-eventbus"
import { TestClock } from "effect/testing"
import {
  consume,
  declare,
  delivered,
  envelope,
  isDone,
  messages,
  nameOf,
  publish,
  start,
  waiting,
  withBroker
} from "./BareBroker.ts"

describe("MemoryBroker", () => {
  it.effect("changes nothing by looking", () =>
    Effect.gen(function* () {
      yield* declare("q", { messageTtl: "1 second" })
      yield* publish("1")
      yield* publish("2")
      const memory = yield* MemoryBroker.MemoryBroker
      const look = Effect.all([memory.peek("q"), memory.queues, memory.expect("q", 2), memory.peek("unknown")])
      const seen = yield* look
      assert.deepStrictEqual(yield* look, seen)
      const deliveries = yield* consume("q", { messageTtl: "1 second" })
      const first = yield* Queue.take(deliveries)
      assert.strictEqual(first.envelope, seen[0][0])
      assert.isFalse(first.redelivered)
      assert.deepStrictEqual(yield* memory.queues, ["dlq.q", "q"])
    }).pipe(withBroker())
  )

  it.effect("a delayed message is not early, even if a timer is", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let timers = 0
      /** Its first timer fires two milliseconds early, as one of Node may. */
      const hasty: Clock.Clock = {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
        currentTimeMillis: clock.currentTimeMillis,
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
        currentTimeNanos: clock.currentTimeNanos,
        monotonicTimeNanos: clock.monotonicTimeNanos,
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        sleep: (duration) => clock.sleep(timers++ === 0 ? Duration.subtract(duration, Duration.millis(2)) : duration)
      }
      yield* Effect.gen(function* () {
        const broker = yield* Broker.Broker
        yield* declare("q")
        yield* broker.put("q", envelope("1"), 20)
        yield* TestClock.adjust(19)
        assert.deepStrictEqual(yield* waiting("q"), [])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* waiting("q"), ["1"])
        assert.strictEqual(timers, 2)
      }).pipe(Effect.provide(Layer.provide(MemoryBroker.layer(), Layer.succeed(Clock.Clock, hasty))))
    })
  )

  it.effect("holds no more bytes of an envelope that waits than its body has", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      const memory = yield* MemoryBroker.MemoryBroker
      // As the codec makes them: bodies share blocks.
      const shared = () => envelope("", { body: new Uint8Array(65_536).subarray(100, 104), ttl: 60_000 })
      const assertOwn = (waiting: ReadonlyArray<Envelope.Envelope>, count: number) => {
        assert.strictEqual(waiting.length, count)
        for (const { body } of waiting) assert.deepStrictEqual([body.length, body.buffer.byteLength], [4, 4])
      }
      const consumer = yield* Scope.make()
      const deliveries = yield* Scope.provide(consume("q", { concurrency: 1 }), consumer)
      yield* broker.publish(shared())
      yield* broker.publish(shared())
      yield* broker.put("q", shared(), 1000)
      assertOwn(yield* memory.peek("q"), 1)
      yield* Queue.take(deliveries)
      yield* Scope.close(consumer, Exit.void)
      assertOwn(yield* memory.peek("q"), 2)
      yield* TestClock.adjust("1 second")
      assertOwn(yield* memory.peek("q"), 3)
      yield* broker.put("dlq.q", { ...shared(), ttl: undefined })
      assertOwn(yield* memory.peek("dlq.q"), 1)
      yield* TestClock.adjust("2 minutes")
      assertOwn(yield* memory.peek("dlq.q"), 4)
    }).pipe(withBroker())
  )

  it.effect("waits until as many envelopes as expected are there", () =>
    Effect.gen(function* () {
      yield* declare("q")
      const expected = yield* start(MemoryBroker.MemoryBroker.use((memory) => memory.expect("q", 2)))
      yield* publish("1")
      assert.isFalse(yield* isDone(expected))
      yield* publish("2")
      assert.deepStrictEqual((yield* Fiber.join(expected)).map(nameOf), ["1", "2"])
    }).pipe(withBroker())
  )

  it.effect("gives its events to the consumers of a queue in turn, as far as they take them", () =>
    Effect.gen(function* () {
      const few = yield* consume("q", { concurrency: 2 })
      const many = yield* consume("q", { concurrency: 4 })
      for (const name of ["1", "2", "3", "4", "5", "6", "7"]) yield* publish(name)
      assert.deepStrictEqual(yield* waiting("q"), ["7"])
      assert.deepStrictEqual(yield* delivered(few), ["1", "3"])
      assert.deepStrictEqual(yield* delivered(many), ["2", "4", "5", "6"])
    }).pipe(withBroker())
  )

  describe("with times to live", () => {
    it.effect("moves what expires at the head to the dead letters, and says why", () =>
      Effect.gen(function* () {
        yield* declare("q", { messageTtl: "10 seconds" })
        yield* publish("its own", { ttl: 4000 })
        yield* publish("the queue's", { ttl: 60_000, attempt: 3 })
        yield* TestClock.adjust("3999 millis")
        assert.strictEqual(yield* messages("dlq.q"), 0)
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* waiting("q"), ["the queue's"])
        yield* TestClock.adjust("6 seconds")
        assert.deepStrictEqual(yield* waiting("q"), [])
        const letters = yield* MemoryBroker.MemoryBroker.use((memory) => memory.peek("dlq.q"))
        const summary = letters.map((letter) => ({
          name: nameOf(letter),
          ttl: letter.ttl,
          reason: letter.fault?.reason,
          attempts: letter.fault?.attempts,
          at: letter.fault?.lastFailedAt
        }))
        assert.deepStrictEqual(summary, [
          { name: "its own", ttl: undefined, reason: "expired", attempts: 0, at: 4000 },
          { name: "the queue's", ttl: undefined, reason: "expired", attempts: 2, at: 10_000 }
        ])
      }).pipe(withBroker())
    )

    it.effect("drops what expires where there are no dead letters", () =>
      Effect.gen(function* () {
        yield* declare("q", { deadLetter: false })
        yield* publish("1", { ttl: 1000 })
        yield* publish("2")
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* waiting("q"), ["2"])
        assert.deepStrictEqual(yield* MemoryBroker.MemoryBroker.use((memory) => memory.queues), ["q"])
      }).pipe(withBroker())
    )

    it.effect("expires at the head alone, and never what is delivered", () =>
      Effect.gen(function* () {
        const deliveries = yield* consume("q", { concurrency: 1 })
        yield* publish("delivered", { ttl: 1000 })
        yield* publish("head")
        yield* publish("behind", { ttl: 1000 })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* waiting("q"), ["head", "behind"])
        yield* (yield* Queue.take(deliveries)).ack
        assert.deepStrictEqual(yield* Effect.all([waiting("q"), waiting("dlq.q")]), [[], ["behind"]])
      }).pipe(withBroker())
    )
  })

  it.effect("hands out the more urgent events first, each urgency in its order", () =>
    Effect.gen(function* () {
      yield* declare("q", { priorities: true })
      const priorities = ["normal", "low", "critical", "high", "normal", "critical"] as const
      for (const [i, priority] of priorities.entries()) yield* publish(`${priority} ${i}`, { priority })
      const order = ["critical 2", "critical 5", "high 3", "normal 0", "normal 4", "low 1"]
      assert.deepStrictEqual(yield* waiting("q"), order)
      assert.deepStrictEqual(yield* delivered(yield* consume("q", { priorities: true })), order)
    }).pipe(withBroker())
  )

  it.effect("hands out next what was put back", () =>
    Effect.gen(function* () {
      const deliveries = yield* consume("q", { concurrency: 1 })
      for (const name of ["1", "2", "3"]) yield* publish(name)
      const first = yield* Queue.take(deliveries)
      yield* first.requeue
      const again = yield* Queue.take(deliveries)
      assert.deepInclude(again, { envelope: first.envelope, redelivered: true })
      yield* again.ack
      assert.deepInclude(yield* Queue.take(deliveries), { redelivered: false })
    }).pipe(withBroker())
  )

  it.effect("puts back in its order what a consumer held that is gone", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const deliveries = yield* Scope.provide(consume("q", { concurrency: 3 }), scope)
      for (const name of ["1", "2", "3", "4"]) yield* publish(name)
      yield* Queue.take(deliveries)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* waiting("q"), ["1", "2", "3", "4"])
    }).pipe(withBroker())
  )

  it.effect("counts a settlement that comes too late, and does nothing else", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const deliveries = yield* Scope.provide(consume("q"), scope)
      yield* publish("1")
      yield* publish("2")
      const settled = yield* Queue.take(deliveries)
      const orphan = yield* Queue.take(deliveries)
      yield* settled.ack
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([settled.isLive(), orphan.isLive()], [false, false])
      for (const late of [settled, orphan]) {
        yield* Effect.all([late.ack, late.requeue])
      }
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Effect.all([waiting("q"), waiting("dlq.q")]), [["2"], []])
      const [stale] = (yield* Metric.snapshot).filter(({ id }) => id === "eventbus_stale_settlements_total")
      assert.deepInclude(stale?.state, { count: 4 })
    }).pipe(withBroker(), Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
