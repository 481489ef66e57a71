import { Flow } from "@effect-eventbus/flow"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Schedule, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"

const Mailed = EventType.make("mailed", { payload: Schema.Struct({ n: Schema.Int }) })

const Limiter = RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))
const App = Layer.merge(EventBus.layerMemory, Limiter)

const publish = Effect.fnUntraced(function* (count: number) {
  const bus = yield* EventBus.EventBus
  for (let n = 0; n < count; n++) yield* bus.publish(yield* Mailed.event({ n }))
})

/** Subscribes a handler that notes when it handled events. */
const limited = Effect.fnUntraced(function* (
  bus: EventBus.EventBus["Service"],
  options: Flow.RateLimitOptions,
  concurrency = 8
) {
  const times: Array<number> = []
  const attempts = new Set<number>()
  const handler = Handler.make(Subscription.make("mails", { events: [Mailed], concurrency }), (_, { attempt }) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      times.push(now)
      attempts.add(attempt)
    })
  ).pipe(Flow.rateLimit(options))
  return { times, attempts, running: yield* bus.subscribe(handler) }
})

const most = (times: ReadonlyArray<number>, window: number) =>
  Math.max(0, ...times.map((from) => times.filter((time) => time >= from && time < from + window).length))

describe("rateLimit", () => {
  it.effect("its pauses are none of the failures for which a policy pauses", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      let isDown = false
      let calls = 0
      const schedule = Schedule.spaced("5 seconds").pipe(Schedule.upTo({ duration: "30 seconds" }))
      const handler = Handler.make(Subscription.make("mails", { events: [Mailed], concurrency: 4 }), () =>
        Effect.suspend(() => {
          calls += 1
          return isDown ? Effect.fail("down") : Effect.void
        })
      ).pipe(Flow.rateLimit({ limit: 5, window: "1 minute" }), Handler.onFailure(FailurePolicy.pause(schedule)))
      yield* bus.subscribe(handler)
      yield* publish(7)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(calls, 5)
      isDown = true
      for (let i = 0; i < 62; i++) yield* TestClock.adjust("1 second")
      assert.strictEqual(calls, 6)
      assert.deepStrictEqual(yield* memory.peek("dlq.mails"), [])
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  for (const [limit, window, millis] of [
    [50, "1 second", 1000],
    [3, "100 millis", 100],
    [1, "1 second", 1000],
    [7, "10 seconds", 10_000],
    [2, "1 minute", 60_000]
  ] as const) {
    it.effect(`keeps to ${limit} in ${window}, and handles all events in the end`, () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const { attempts, times } = yield* limited(bus, { limit, window })
        const count = limit * 6
        yield* publish(count)
        for (let i = 0; i < 80 && times.length < count; i++) yield* TestClock.adjust(millis / 8)
        assert.strictEqual(times.length, count)
        assert.isAtMost(most(times, millis), limit * 2)
        const took = (times.at(-1) ?? 0) - (times[0] ?? 0)
        // Six windows begin, so five of them pass.
        assert.isAtLeast(took, millis * 5 - limit)
        assert.deepStrictEqual([...attempts], [1])
      }).pipe(Effect.provide(App), Effect.scoped)
    )
  }

  it.effect("gives events back when it takes long, so none waits unacknowledged", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const { running, times } = yield* limited(bus, { limit: 2, window: "1 minute" })
      yield* publish(10)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(times.length, 2)
      const state = yield* running.state
      assert.strictEqual(state._tag === "Paused" && state.by, 'the rate limit "mails"')
      assert.strictEqual((yield* memory.peek("mails")).length, 8)
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  it.effect("gives events back that have waited in front of their handler for half a minute", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { attempts, running, times } = yield* limited(bus, { limit: 1, window: "1 second" }, 40)
      yield* publish(40)
      const paused: Array<number> = []
      for (let i = 1; i <= 60; i++) {
        yield* TestClock.adjust("1 second")
        if ((yield* running.state)._tag !== "Running") paused.push(i)
      }
      assert.isAtLeast(paused[0] ?? 0, 30)
      assert.isAtMost(paused[0] ?? Infinity, 32)
      assert.strictEqual(times.length, 40)
      assert.deepStrictEqual([...attempts], [1])
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  it.effect("is shared by instances that share the store", () =>
    Effect.gen(function* () {
      const memory = yield* Layer.build(MemoryBroker.layer())
      const instance = Effect.gen(function* () {
        const bus = yield* EventBus.make
        return { bus, ...(yield* limited(bus, { limit: 10, window: "1 second" })) }
      }).pipe(Effect.provideContext(memory))
      const [one, other] = [yield* instance, yield* instance]
      yield* Effect.provideService(publish(100), EventBus.EventBus, one.bus)
      for (let i = 0; i < 100; i++) yield* TestClock.adjust("100 millis")
      const times = [...one.times, ...other.times].toSorted((a, b) => a - b)
      assert.strictEqual(times.length, 100)
      assert.isAtMost(most(times, 1000), 20)
      assert.isAtLeast((times.at(-1) ?? 0) - (times[0] ?? 0), 8900)
    }).pipe(Effect.provide(Limiter), Effect.scoped)
  )

  it.effect("pauses while its store does not answer, and goes on when it does", () => {
    let isDown = true
    const Store = Layer.effect(
      RateLimiter.RateLimiter,
      Effect.map(RateLimiter.RateLimiter, (limiter) => ({
        ...limiter,
        consume: (options: Parameters<typeof limiter.consume>[0]) =>
          isDown
            ? Effect.fail(
                new RateLimiter.RateLimiterError({
                  reason: new RateLimiter.RateLimitStoreError({ message: "no Redis" })
                })
              )
            : limiter.consume(options)
      }))
    ).pipe(Layer.provide(Limiter))
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { running, times } = yield* limited(bus, { limit: 100, window: "1 second" })
      yield* publish(5)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(times.length, 0)
      assert.notStrictEqual((yield* running.state)._tag, "Running")
      isDown = false
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(times.length, 5)
      assert.strictEqual((yield* running.state)._tag, "Running")
    }).pipe(Effect.provide(Layer.merge(EventBus.layerMemory, Store)), Effect.scoped)
  })

  it("refuses what cannot be meant", () => {
    for (const limit of [0, -1, 1.5, NaN, Infinity]) {
      assert.throws(() => Flow.rateLimit({ limit, window: "1 second" }), RangeError, "whole number of at least 1")
    }
    for (const window of [0, -1, NaN, "Infinity"] as const) {
      assert.throws(() => Flow.rateLimit({ limit: 1, window }), RangeError, "finite time above 0")
    }
    const once = Subscription.make("once", { events: [Mailed], guarantee: "at-most-once" })
    assert.throws(
      () => Handler.make(once, () => Effect.void).pipe(Flow.rateLimit({ limit: 1, window: "1 second" })),
      RangeError,
      "cannot hold its events up"
    )
  })
})
