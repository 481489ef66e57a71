import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Metric, Queue, Schedule } from "effect"
import { Broker, EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"
import {
  consume,
  declare,
  envelope,
  isDone,
  messages,
  nameOf,
  publish,
  start,
  waiting,
  withBroker
} from "./BareBroker.ts"

describe("MemoryBroker, as it fills up", () => {
  it.effect("suspends who publishes into a full queue, and goes on when there is room", () =>
    Effect.gen(function* () {
      const deliveries = yield* consume("q", { concurrency: 1 })
      yield* publish("1")
      yield* publish("2")
      const third = yield* start(publish("3"))
      yield* TestClock.adjust("9 seconds")
      assert.isFalse(yield* isDone(third), "what is delivered and not settled still takes its place")
      yield* (yield* Queue.take(deliveries)).ack
      yield* Fiber.join(third)
      assert.deepStrictEqual(yield* waiting("q"), ["3"])
    }).pipe(withBroker({ capacity: 2 }))
  )

  it.effect("fails with Blocked after the publish timeout, and keeps nothing of it", () =>
    Effect.gen(function* () {
      yield* declare("q")
      yield* publish("1")
      const second = yield* start(Effect.flip(publish("2")))
      yield* TestClock.adjust("2999 millis")
      assert.isFalse(yield* isDone(second))
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(second)
      assert.deepInclude(error, { _tag: "Blocked", detail: 'the queue "q" is full', millis: 3000 })
      assert.isTrue(error.isRetryable)
      assert.deepStrictEqual(yield* waiting("q"), ["1"])
    }).pipe(withBroker({ capacity: 1, publishTimeout: "3 seconds" }))
  )

  it.effect("puts an event into all of its queues or into none", () =>
    Effect.gen(function* () {
      yield* declare("full")
      yield* publish("1")
      yield* declare("empty")
      const second = yield* start(publish("2"))
      assert.deepStrictEqual(yield* waiting("empty"), [])
      yield* Broker.Broker.use((broker) => broker.purge("full"))
      yield* Fiber.join(second)
      assert.deepStrictEqual(yield* Effect.all([waiting("full"), waiting("empty")]), [["2"], ["2"]])
    }).pipe(withBroker({ capacity: 1 }))
  )

  it.effect("lets in only as many as there is room for", () =>
    Effect.gen(function* () {
      yield* declare("q")
      yield* Effect.forEach(["1", "2"], (name) => publish(name))
      const more = yield* Effect.forEach(["3", "4", "5"], (name) => start(publish(name)))
      const deliveries = yield* consume("q", { concurrency: 1 })
      yield* (yield* Queue.take(deliveries)).ack
      assert.deepStrictEqual(yield* Effect.forEach(more, isDone), [true, false, false])
      assert.strictEqual(yield* messages("q"), 1, "one waits, one is delivered")
    }).pipe(withBroker({ capacity: 2 }))
  )

  it.effect("keeps the place of an event that waits for its retry, and needs no second one for it", () =>
    Effect.gen(function* () {
      const deliveries = yield* consume("q")
      yield* publish("1")
      const first = yield* Queue.take(deliveries)
      yield* Broker.Broker.use((broker) => broker.put("q", envelope("1 again"), 5000))
      yield* first.ack
      const second = yield* start(publish("2"))
      yield* TestClock.adjust("5 seconds")
      assert.isFalse(yield* isDone(second))
      const again = yield* Queue.take(deliveries)
      assert.strictEqual(nameOf(again.envelope), "1 again")
      yield* again.ack
      yield* Fiber.join(second)
    }).pipe(withBroker({ capacity: 1 }))
  )

  it.effect("lets a failed event that fills its queue be retried", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const Ping = EventType.untyped("ping")
      const attempts: Array<number> = []
      yield* bus.subscribe(
        Handler.make(Subscription.make("q", { events: [Ping] }), (_, { attempt }) => {
          attempts.push(attempt)
          return attempt < 3 ? Effect.fail("again") : Effect.void
        }).pipe(Handler.onFailure(FailurePolicy.retry(Schedule.spaced("1 second"))))
      )
      yield* bus.publish(yield* Ping.event({}))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(attempts, [1, 2, 3])
      yield* bus.publish(yield* Ping.event({}))
    }).pipe(Effect.provide(EventBus.layer), withBroker({ capacity: 1 }))
  )

  it.effect("holds an event back while its dead letters are full, and says so", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const Ping = EventType.untyped("ping")
      const handled: Array<unknown> = []
      yield* bus.subscribe(
        Handler.make(Subscription.make("q", { events: [Ping] }), ({ payload }) => {
          handled.push(payload["n"])
          return Effect.fail("no")
        }).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      for (const n of [1, 2]) {
        yield* bus.publish(yield* Ping.event({ n }))
        yield* TestClock.adjust(0)
      }
      const third = yield* start(Effect.flatMap(Ping.event({ n: 3 }), (event) => bus.publish(event)))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(handled, [1, 2])
      assert.strictEqual(yield* messages("dlq.q"), 1)
      const health = yield* bus.health
      assert.strictEqual(health.status, "degraded")
      assert.strictEqual(health.details["settlementsStalled"], 1)
      assert.include(String(health.details["settling"]), '"q": the broker has taken no events')
      const stalled = Effect.map(Metric.snapshot, (all) => all.find(({ id }) => id === "eventbus_settlements_stalled"))
      assert.deepInclude((yield* stalled)?.state, { value: 1 })

      yield* Broker.Broker.use((broker) => broker.purge("dlq.q"))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* messages("dlq.q"), 1, "the second one")
      yield* Broker.Broker.use((broker) => broker.purge("dlq.q"))
      yield* TestClock.adjust("2 seconds")
      yield* third.pipe(Fiber.await)
      assert.strictEqual((yield* bus.health).status, "healthy")
      assert.deepInclude((yield* stalled)?.state, { value: 0 })
    }).pipe(
      Effect.provide(EventBus.layer),
      withBroker({ capacity: 1 }),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

  it.effect("holds an expired event back while the dead letters are full", () =>
    Effect.gen(function* () {
      yield* declare("q", { messageTtl: "1 second" })
      yield* publish("1")
      yield* TestClock.adjust("1 second")
      yield* publish("2")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Effect.all([waiting("q"), waiting("dlq.q")]), [["2"], ["1"]])
      yield* Broker.Broker.use((broker) => broker.purge("dlq.q"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* Effect.all([waiting("q"), waiting("dlq.q")]), [[], ["2"]])
    }).pipe(withBroker({ capacity: 1 }))
  )

  for (const capacity of [0, -1, 1.5, NaN]) {
    it.effect(`is a RangeError for a capacity of ${capacity}`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(withBroker({ capacity })(Effect.void))
        assert.isTrue(Exit.hasDies(exit))
        assert.include(String(exit), `of at least 1, not ${capacity}`)
      })
    )
  }

  it.live("lets handlers go first where more and more events wait for them", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const Ping = EventType.untyped("ping")
      let published = 0
      let handled = 0
      let most = 0
      yield* bus.subscribe(
        Handler.make(Subscription.make("q", { events: [Ping], concurrency: 10 }), () => Effect.sync(() => ++handled))
      )
      const lane = Effect.gen(function* () {
        for (let i = 0; i < 200; i++) {
          yield* bus.publish(yield* Ping.event({}))
          most = Math.max(most, ++published - handled)
        }
      })
      yield* Effect.replicateEffect(lane, 50, { concurrency: "unbounded", discard: true })
      assert.strictEqual(published, 10_000)
      // It is a few hundred, more on a busy machine, and would be all of them.
      assert.isBelow(most, 2500)
    }).pipe(Effect.provide(EventBus.layerMemory))
  )
})
