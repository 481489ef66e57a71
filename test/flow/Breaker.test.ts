import { Flow } from "@effect-eventbus/flow"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import type { SubscriptionState } from "effect-eventbus"
import { CircuitBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"

const Charged = EventType.make("card.charged", { payload: Schema.Struct({ n: Schema.Int }) })
class Down extends Schema.TaggedError<Down>()("Down", {}) {}
class Wrong extends Schema.TaggedError<Wrong>()("Wrong", {}) {}

const App = Layer.provideMerge(EventBus.layerMemory, CircuitBreaker.layerStoreMemory())

/** A handler behind a breaker, and the dependency that it calls. */
const charging = (
  options: Partial<Flow.BreakerOptions> & { readonly queue?: string; readonly concurrency?: number } = {}
) => {
  const { queue = "charges", concurrency = 16, ...breaker } = options
  const dependency = {
    isDown: false,
    calls: 0,
    callsWhileDown: 0,
    attempts: new Map<number, number>(),
    handled: new Map<number, number>(),
    recoveredAt: Infinity
  }
  const handler = Handler.make(
    Subscription.make(queue, { events: [Charged], concurrency }),
    Effect.fnUntraced(function* ({ payload }, { attempt }) {
      dependency.calls += 1
      if (payload.n < 0) return yield* new Wrong()
      dependency.attempts.set(payload.n, Math.max(attempt, dependency.attempts.get(payload.n) ?? 0))
      if (dependency.isDown || concurrency === 1) yield* Effect.sleep("20 millis")
      if (dependency.isDown) {
        dependency.callsWhileDown += 1
        return yield* new Down()
      }
      dependency.recoveredAt = Math.min(dependency.recoveredAt, yield* Clock.currentTimeMillis)
      dependency.handled.set(payload.n, (dependency.handled.get(payload.n) ?? 0) + 1)
    })
  ).pipe(
    Flow.breaker({ trip: CircuitBreaker.consecutive(5), open: "10 seconds", ...breaker }),
    Handler.onFailure(FailurePolicy.tags({ Down: FailurePolicy.retryUpToMax, Wrong: FailurePolicy.deadLetter }))
  )
  return { dependency, handler }
}

const publish = Effect.fnUntraced(function* (from: number, count: number) {
  const bus = yield* EventBus.EventBus
  for (let n = from; n < from + count; n++) yield* bus.publish(yield* Charged.event({ n }))
})

describe("breaker", () => {
  it.effect(
    "costs few calls, no dead letter, and one opening to recover, when a dependency is down for five minutes",
    () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const memory = yield* MemoryBroker.MemoryBroker
        const { dependency, handler } = charging({ open: "10 seconds" })
        const running = yield* bus.subscribe(handler)
        let n = 0
        const second = Effect.gen(function* () {
          yield* publish(n, 200)
          n += 200
          yield* TestClock.adjust("1 second")
        })
        yield* second
        dependency.isDown = true
        for (let i = 0; i < 300; i++) yield* second
        dependency.isDown = false
        const backAt = yield* Clock.currentTimeMillis
        dependency.recoveredAt = Infinity
        for (let i = 0; i < 30; i++) yield* second
        assert.isAtMost(dependency.callsWhileDown, 600)
        assert.isAtMost(dependency.recoveredAt - backAt, 11_000)
        assert.strictEqual(dependency.handled.size, n)
        assert.deepStrictEqual([...new Set(dependency.handled.values())], [1])
        assert.deepStrictEqual(yield* memory.peek("dlq.charges"), [])
        // The failures before the circuit opened used up an attempt, and no others did.
        assert.isAtMost([...dependency.attempts.values()].filter((attempt) => attempt > 1).length, 5)
        assert.isAtMost(Math.max(...dependency.attempts.values()), 2)
        assert.strictEqual((yield* running.state)._tag, "Running")
      }).pipe(Effect.provide(App), Effect.scoped)
  )

  it.effect("is open for all instances that share its store, and one of them probes at a time", () =>
    Effect.gen(function* () {
      const memory = yield* Layer.build(MemoryBroker.layer())
      const instance = Effect.gen(function* () {
        const { dependency, handler } = charging({ key: "cards", concurrency: 5 })
        const bus = yield* EventBus.make
        return { bus, dependency, running: yield* bus.subscribe(handler) }
      }).pipe(Effect.provideContext(memory))
      const [one, other] = [yield* instance, yield* instance]
      one.dependency.isDown = other.dependency.isDown = true
      const publishTo = (count: number) => Effect.provideService(publish(0, count), EventBus.EventBus, one.bus)
      yield* publishTo(40)
      yield* TestClock.adjust("1 second")
      for (const { running } of [one, other]) {
        const state = yield* running.state
        assert.strictEqual(state._tag === "Paused" && state.by, 'the breaker "cards"')
      }
      const before = one.dependency.calls + other.dependency.calls
      // Six openings, each with one probe of one of the instances.
      yield* TestClock.adjust("60 seconds")
      const probes = one.dependency.calls + other.dependency.calls - before
      assert.isAtLeast(probes, 5)
      assert.isAtMost(probes, 6)
      one.dependency.isDown = other.dependency.isDown = false
      yield* TestClock.adjust("60 seconds")
      const handled = [...one.dependency.handled.keys(), ...other.dependency.handled.keys()]
      assert.strictEqual(new Set(handled).size, 40)
      // One that finds no event for its probe goes on probing.
      for (const { running } of [one, other]) assert.notStrictEqual((yield* running.state)._tag, "Paused")
    }).pipe(Effect.provide(CircuitBreaker.layerStoreMemory()), Effect.scoped)
  )

  it.effect("does not flap: a dependency that fails every other call changes the state at most once a second", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      let calls = 0
      const handler = Handler.make(Subscription.make("flaky", { events: [Charged], concurrency: 4 }), () =>
        Effect.andThen(
          Effect.sleep("10 millis"),
          Effect.suspend(() => (calls++ % 2 === 0 ? Effect.fail(new Down()) : Effect.void))
        )
      ).pipe(
        Flow.breaker({ trip: CircuitBreaker.rate({ threshold: 0.5, size: 10, minimumCalls: 10 }), open: "5 seconds" }),
        Handler.onFailure(FailurePolicy.tags({ Down: FailurePolicy.deadLetter }))
      )
      const running = yield* bus.subscribe(handler)
      const changes: Array<SubscriptionState.SubscriptionState> = []
      yield* Effect.forkScoped(Stream.runForEach(running.changes, (state) => Effect.sync(() => changes.push(state))))
      for (let second = 0; second < 60; second++) {
        yield* publish(second * 20, 20)
        yield* TestClock.adjust("1 second")
      }
      assert.isAtLeast(changes.length, 5)
      assert.isAtMost(changes.length, 60)
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  it.effect("counts the errors that it is told to, and leaves the others to the policy", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const { handler } = charging({ counts: (error) => error instanceof Down })
      const running = yield* bus.subscribe(handler)
      yield* publish(-20, 20)
      yield* TestClock.adjust("1 second")
      yield* memory.expect("dlq.charges", 20)
      assert.strictEqual((yield* running.state)._tag, "Running")
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  it.effect("is closed while its store does not answer", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { dependency, handler } = charging()
      yield* bus.subscribe(handler)
      yield* publish(0, 10)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(dependency.handled.size, 10)
    }).pipe(
      Effect.provide([
        EventBus.layerMemory,
        Layer.sync(CircuitBreaker.CircuitBreakerStore, () => {
          const error = new CircuitBreaker.CircuitBreakerError({
            reason: new CircuitBreaker.CircuitBreakerStoreError({ message: "no Redis" })
          })
          return { admit: () => Effect.fail(error), record: () => Effect.fail(error), state: () => Effect.fail(error) }
        })
      ]),
      Effect.scoped
    )
  )

  it.effect("drains while it is half open: the probe ends, or goes back", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const { dependency, handler } = charging({ concurrency: 1, trip: CircuitBreaker.consecutive(1) })
      const running = yield* bus.subscribe(handler)
      dependency.isDown = true
      yield* publish(0, 3)
      yield* TestClock.adjust("1 second")
      dependency.isDown = false
      yield* TestClock.adjust("9030 millis")
      assert.strictEqual((yield* running.state)._tag, "Probing")
      const stopping = yield* Effect.forkChild(running.stop)
      yield* TestClock.adjust("11 seconds")
      yield* Fiber.join(stopping)
      const waiting = yield* memory.peek("charges")
      assert.strictEqual(waiting.length + dependency.handled.size, 3)
      assert.isAtMost(dependency.handled.size, 1)
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  it("refuses what cannot be meant", () => {
    const trip = CircuitBreaker.consecutive(1)
    const make = (open: Flow.BreakerOptions["open"]) => () => Flow.breaker({ trip, open })
    for (const open of [0, -1, NaN, "Infinity"] as const) assert.throws(make(open), RangeError, "a circuit stays open")
    assert.throws(() => CircuitBreaker.consecutive(0), RangeError)
    const once = Subscription.make("once", { events: [Charged], guarantee: "at-most-once" })
    assert.throws(
      () => Handler.make(once, () => Effect.fail(new Down())).pipe(Flow.breaker({ trip, open: "1 second" })),
      RangeError,
      '"once" is at-most-once, so a breaker cannot hold its events up'
    )
    const answered = Handler.make(Subscription.make("twice", { events: [Charged] }), () =>
      Effect.fail(new Down())
    ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
    assert.throws(
      () => answered.pipe(Flow.breaker({ trip, open: "1 second" })),
      RangeError,
      'Put the breaker of "twice" before Handler.onFailure'
    )
  })
})
