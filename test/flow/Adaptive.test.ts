import { Flow } from "@effect-eventbus/flow"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Metric, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { CircuitBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"

const Resized = EventType.make("image.resized", { payload: Schema.Struct({ n: Schema.Int }) })
class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}

const publish = Effect.fnUntraced(function* (count: number) {
  const bus = yield* EventBus.EventBus
  for (let n = 0; n < count; n++) yield* bus.publish(yield* Resized.event({ n }))
})

const limitOf = Effect.map(Metric.snapshot, (all) => {
  const found = all.find(({ id }) => id === "eventbus_adaptive_concurrency")
  return found?.type === "Gauge" ? Number(found.state.value) : undefined
})

/** A handler whose dependency slows down beyond a number of calls at once. */
const resizing = (dependency: { capacity: number; fails: boolean; atOnce: number; most: number; done: number }) =>
  Handler.make(
    Subscription.make("images", { events: [Resized], concurrency: 32 }),
    Effect.fnUntraced(function* () {
      dependency.atOnce += 1
      dependency.most = Math.max(dependency.most, dependency.atOnce)
      yield* Effect.sleep(dependency.atOnce > dependency.capacity ? "400 millis" : "50 millis")
      dependency.atOnce -= 1
      if (dependency.fails) return yield* new Busy()
      dependency.done += 1
    })
  ).pipe(
    Flow.adaptive({ min: 2, max: 32, target: "100 millis" }),
    Handler.onFailure(FailurePolicy.tags({ Busy: FailurePolicy.discard }))
  )

const run = <A, E>(effect: Effect.Effect<A, E, EventBus.EventBus | MemoryBroker.MemoryBroker>) =>
  effect.pipe(Effect.provide(EventBus.layerMemory), Effect.provideService(Metric.MetricRegistry, new Map()))

describe("adaptive", () => {
  it.effect("grows to the maximum while handlers are fast", () => {
    const dependency = { capacity: Infinity, fails: false, atOnce: 0, most: 0, done: 0 }
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(resizing(dependency))
      yield* publish(3000)
      yield* TestClock.adjust("50 millis")
      assert.isAtMost(dependency.most, 3)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(dependency.most, 32)
      assert.strictEqual(yield* limitOf, 32)
      assert.strictEqual(dependency.done, 3000)
    }).pipe(Effect.scoped, run)
  })

  it.effect("stays near what the dependency can bear", () => {
    const dependency = { capacity: 8, fails: false, atOnce: 0, most: 0, done: 0 }
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(resizing(dependency))
      yield* publish(3000)
      for (let i = 0; i < 60; i++) yield* TestClock.adjust("1 second")
      assert.isAtLeast(dependency.most, 8)
      assert.isAtMost(dependency.most, 12)
      assert.strictEqual(dependency.done, 3000)
    }).pipe(Effect.scoped, run)
  })

  it.effect("falls to the minimum while handlers fail, and grows again", () => {
    const dependency = { capacity: Infinity, fails: false, atOnce: 0, most: 0, done: 0 }
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(resizing(dependency))
      yield* publish(5000)
      yield* TestClock.adjust("5 seconds")
      dependency.fails = true
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* limitOf, 2)
      dependency.most = 0
      yield* TestClock.adjust("1 second")
      assert.isAtMost(dependency.most, 2)
      dependency.fails = false
      yield* TestClock.adjust("5 seconds")
      assert.isAtLeast((yield* limitOf) ?? 0, 16)
    }).pipe(Effect.scoped, run)
  })

  it.effect("gives an event back that has waited in front of its handler for half a minute", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const attempts: Array<number> = []
      const slow = Handler.make(
        Subscription.make("slow", { events: [Resized], concurrency: 2, drainTimeout: 0 }),
        (_, { attempt }) =>
          Effect.andThen(
            Effect.sync(() => attempts.push(attempt)),
            Effect.sleep("2 minutes")
          )
      ).pipe(Flow.adaptive({ min: 1, max: 2, target: "1 second" }))
      const running = yield* bus.subscribe(slow)
      yield* publish(2)
      yield* TestClock.adjust("29 seconds")
      const before = (yield* memory.peek("slow")).length
      yield* running.pause()
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([before, (yield* memory.peek("slow")).length], [0, 1])
      yield* running.resume
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(attempts, [1, 1])
    }).pipe(Effect.scoped, run)
  )

  it.effect("interrupts a handler when its subscription stops, and gives its event back", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      let ends = 0
      const handler = Handler.make(
        Subscription.make("long", { events: [Resized], concurrency: 2, drainTimeout: 0 }),
        ({ payload }) =>
          payload.n === 0 ? Effect.void : Effect.onInterrupt(Effect.never, () => Effect.sync(() => ends++))
      ).pipe(Flow.adaptive({ min: 1, max: 2, target: "1 second" }))
      const running = yield* bus.subscribe(handler)
      yield* publish(2)
      yield* TestClock.adjust("1 second")
      const stopping = yield* Effect.forkChild(running.stop)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(ends, 1)
      yield* Fiber.join(stopping)
      assert.strictEqual((yield* memory.peek("long")).length, 1)
    }).pipe(Effect.scoped, run)
  )

  it.effect("learns nothing from events that a step inside holds up", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const handler = Handler.make(Subscription.make("held", { events: [Resized], concurrency: 32 }), () =>
        Effect.andThen(Effect.sleep("50 millis"), new Busy())
      ).pipe(
        Flow.breaker({ trip: CircuitBreaker.consecutive(1), open: "10 seconds" }),
        Flow.adaptive({ min: 1, max: 32, target: "100 millis" }),
        Handler.onFailure(FailurePolicy.tags({ Busy: FailurePolicy.discard }))
      )
      yield* bus.subscribe(handler)
      yield* publish(100)
      yield* TestClock.adjust("1 second")
      // One was handled, and 31 were refused at once.
      assert.strictEqual((yield* limitOf) ?? 1, 1)
    }).pipe(Effect.provide(CircuitBreaker.layerStoreMemory()), Effect.scoped, run)
  )

  it("refuses what cannot be meant", () => {
    const make = (options: Partial<Flow.AdaptiveOptions>, guarantee?: "at-most-once") => () =>
      Handler.make(
        Subscription.make("images", { events: [Resized], concurrency: 8, guarantee }),
        () => Effect.void
      ).pipe(Flow.adaptive({ min: 1, max: 8, target: "1 second", ...options }))
    assert.throws(make({ min: 0 }), RangeError, "The lowest concurrency must be a whole number of at least 1, not 0")
    assert.throws(make({ min: 3, max: 2 }), RangeError, "The highest concurrency must be a whole number of at least 3")
    assert.throws(make({ max: 1.5 }), RangeError, "The highest concurrency")
    assert.throws(make({ max: 9 }), RangeError, "so its adaptive concurrency cannot be 9")
    assert.throws(make({ target: 0 }), RangeError, "The target of an adaptive concurrency")
    assert.throws(make({}, "at-most-once"), RangeError, "cannot hold its events up")
    assert.doesNotThrow(make({}))
  })
})
