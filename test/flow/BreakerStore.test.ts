import { Flow } from "@effect-eventbus/flow"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Schedule, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { CircuitBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"

const Called = EventType.make("called", { payload: Schema.Struct({ n: Schema.Int }) })
class Down extends Schema.TaggedError<Down>()("Down", {}) {}

const App = Layer.provideMerge(EventBus.layerMemory, CircuitBreaker.layerStoreMemory())

type Store = CircuitBreaker.CircuitBreakerStore["Service"]

/** The same with a store that does some things otherwise. */
const AppWith = (otherwise: (store: Store) => Partial<Store>) =>
  Layer.provideMerge(
    EventBus.layerMemory,
    Layer.effect(
      CircuitBreaker.CircuitBreakerStore,
      Effect.map(CircuitBreaker.CircuitBreakerStore, (store) => ({ ...store, ...otherwise(store) }))
    ).pipe(Layer.provide(CircuitBreaker.layerStoreMemory()))
  )

/** Subscribes a handler behind a breaker, whose dependency may be down. */
const calling = Effect.fnUntraced(function* (queue: string, options: Flow.BreakerOptions) {
  const bus = yield* EventBus.EventBus
  const dependency = { isDown: false, hangs: false, calls: 0 }
  const handler = Handler.make(
    Subscription.make(queue, { events: [Called], patterns: [queue], concurrency: 1, drainTimeout: 0 }),
    () =>
      Effect.suspend(() => {
        dependency.calls += 1
        if (dependency.hangs) return Effect.never
        return dependency.isDown ? Effect.fail(new Down()) : Effect.void
      })
  ).pipe(Flow.breaker(options), Handler.onFailure(FailurePolicy.tags({ Down: FailurePolicy.discard })))
  const running = yield* bus.subscribe(handler)
  /** Publishes an event for each, when the dependency is up or down. */
  const call = Effect.fnUntraced(function* (...each: ReadonlyArray<"up" | "down">) {
    for (const [n, state] of each.entries()) {
      dependency.isDown = state === "down"
      yield* bus.publish(yield* Called.event({ n }), { routingKey: queue })
      yield* TestClock.adjust("1 millis")
    }
  })
  return { call, dependency, stop: running.stop, state: Effect.map(running.state, ({ _tag }) => _tag) }
})

describe("breaker, by its store", () => {
  it.effect("counts a success for all handlers that share its key", () =>
    Effect.gen(function* () {
      const options = { trip: CircuitBreaker.consecutive(3), open: "1 minute", key: "shared" } as const
      const [one, other] = [yield* calling("one", options), yield* calling("other", options)]
      for (let i = 0; i < 3; i++) {
        yield* one.call("down", "down")
        yield* other.call("up")
      }
      assert.strictEqual(yield* one.state, "Running")
      yield* one.call("down", "down")
      yield* other.call("down")
      assert.strictEqual(yield* other.state, "Paused")
      yield* one.call("up")
      assert.strictEqual(yield* one.state, "Paused")
      assert.deepStrictEqual([one.dependency.calls, other.dependency.calls], [8, 4])
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  it.effect("opens for its time when a success completes the calls of a rate", () =>
    Effect.gen(function* () {
      const trip = CircuitBreaker.rate({ threshold: 0.5, size: 10, minimumCalls: 4 })
      const { call, dependency, state } = yield* calling("rate", { trip, open: "1 minute" })
      yield* call("down", "down", "up")
      assert.strictEqual(yield* state, "Running")
      yield* call("up", "up")
      assert.strictEqual(yield* state, "Paused")
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(dependency.calls, 4)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([dependency.calls, yield* state], [5, "Running"])
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  it.effect("stays open for longer at each opening in a row, by its schedule", () =>
    Effect.gen(function* () {
      const trip = CircuitBreaker.consecutive(1)
      const { call, dependency, state } = yield* calling("later", { trip, open: Schedule.exponential("10 seconds") })
      yield* call("down")
      for (const seconds of [10, 20, 40]) {
        const before = dependency.calls
        yield* TestClock.adjust((seconds - 1) * 1000)
        assert.strictEqual(dependency.calls, before)
        dependency.isDown = seconds < 40
        // The event that opened the circuit comes back, as its probe.
        yield* TestClock.adjust("1 seconds")
        assert.strictEqual(dependency.calls, before + 1)
      }
      assert.strictEqual(yield* state, "Running")
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  it.effect("frees the probe when what counts errors throws", () =>
    Effect.gen(function* () {
      const trip = CircuitBreaker.consecutive(1)
      let throws = false
      const counts = () => {
        if (throws) throw new Error("no such class")
        return true
      }
      const { call, dependency, state } = yield* calling("thrown", { trip, open: "10 seconds", counts })
      yield* call("down")
      throws = true
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(dependency.calls, 2)
      throws = false
      yield* call("up")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([dependency.calls, yield* state], [3, "Running"])
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  it.effect("frees the probe when its subscription stops", () =>
    Effect.gen(function* () {
      const options = { trip: CircuitBreaker.consecutive(1), open: "10 seconds", key: "stopped" } as const
      const [one, other] = [yield* calling("one", options), yield* calling("other", options)]
      yield* one.call("down")
      one.dependency.hangs = true
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(one.dependency.calls, 2)
      yield* other.call("up")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(other.dependency.calls, 0)
      const stopping = yield* Effect.forkChild(one.stop)
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual([other.dependency.calls, yield* other.state], [1, "Running"])
    }).pipe(Effect.provide(App), Effect.scoped)
  )

  const noRedis = new CircuitBreaker.CircuitBreakerError({
    reason: new CircuitBreaker.CircuitBreakerStoreError({ message: "no Redis" })
  })

  it.effect("leaves what its handlers did when the store does not take the outcome", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBroker.MemoryBroker
      const trip = CircuitBreaker.consecutive(2)
      const { call, dependency, state } = yield* calling("lost", { trip, open: "1 minute" })
      yield* call("up", "down", "up")
      assert.deepStrictEqual([dependency.calls, yield* state], [3, "Running"])
      assert.deepStrictEqual([yield* memory.peek("lost"), yield* memory.peek("dlq.lost")], [[], []])
    }).pipe(Effect.provide(AppWith(() => ({ record: () => Effect.fail(noRedis) }))), Effect.scoped)
  )

  it.effect("gives an event back that fails, when the store admits none and then says that the circuit is open", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBroker.MemoryBroker
      const trip = CircuitBreaker.consecutive(2)
      const { call, dependency, state } = yield* calling("late", { trip, open: "1 minute" })
      yield* call("up", "down")
      assert.deepStrictEqual([dependency.calls, yield* state], [2, "Paused"])
      assert.strictEqual((yield* memory.peek("late")).length, 1)
    }).pipe(
      Effect.provide(
        AppWith(() => ({
          admit: () => Effect.fail(noRedis),
          state: (key) =>
            Effect.succeed({ _tag: "Open", key, retryAfter: Duration.minutes(1), consecutiveOpenings: 1 } as const)
        }))
      ),
      Effect.scoped
    )
  )

  it.effect("ends what holds an admission when the call is over, and not before", () => {
    const log: Array<string> = []
    const Logging = AppWith((store) => ({
      admit: (key) =>
        Effect.andThen(
          Effect.addFinalizer(() => Effect.sync(() => log.push("ended"))),
          store.admit(key)
        ),
      record: (options) =>
        Effect.andThen(
          Effect.sync(() => log.push(options.outcome)),
          store.record(options)
        )
    }))
    return Effect.gen(function* () {
      const { call } = yield* calling("held", { trip: CircuitBreaker.consecutive(2), open: "1 minute" })
      yield* call("up", "down", "down")
      assert.deepStrictEqual(log, ["Success", "ended", "Failure", "ended", "Failure", "ended"])
    }).pipe(Effect.provide(Logging), Effect.scoped)
  })
})
