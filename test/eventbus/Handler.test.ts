import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Queue, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Settlement, Subscription } from "effect-eventbus"
import type { Event } from "effect-eventbus"
import { TestClock } from "effect/testing"

const Ping = EventType.untyped("ping")
const Slow = EventType.make("slow", { payload: Schema.Struct({ millis: Schema.Int }) })
const pings = Subscription.make("pings", { events: [Ping] })
const names = ["a", "b", "c", "d", "e", "f"] as const
const services = names.map((name) => Context.Service<"service", string>(name))
/** Returns a context with the first services, each of which names the one that provides it. */
const contextOf = (count: number, by: string) =>
  services
    .slice(0, count)
    .reduce<Context.Context<never>>((context, service) => Context.add(context, service, by), Context.empty())
const handler = Handler.make(pings, () => Effect.fail("no"))

describe("Handler", () => {
  it("says, from the inside out, what has a part in its failures", () => {
    const steps = handler.pipe(
      Handler.timeout("30 seconds"),
      Handler.tap(() => Effect.void),
      Handler.onFailure(FailurePolicy.discard),
      Handler.provide(Layer.empty)
    ).steps
    assert.deepStrictEqual(steps, [
      { _tag: "Timeout", duration: Duration.seconds(30) },
      { _tag: "OnFailure", policy: FailurePolicy.discard }
    ])
    assert.deepStrictEqual(handler.steps, [])
  })

  for (const count of [0, 1, 2, names.length]) {
    it.effect(`is provided with the services of a layer in the place of those around it, when it has ${count}`, () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const seen = yield* Deferred.make<ReadonlyArray<string>>()
        const looking = Handler.make(pings, () =>
          Effect.flatMap(Effect.context<never>(), ({ mapUnsafe }) =>
            Deferred.succeed(
              seen,
              names.map((name) => mapUnsafe.get(name))
            )
          )
        )
        const layer = Layer.succeedContext(contextOf(count, "layer"))
        yield* bus
          .subscribe(Handler.provide(looking, layer))
          .pipe(Effect.provideContext(contextOf(names.length, "caller")))
        yield* bus.publish(yield* Ping.event({}))
        const expected = names.map((_, i) => (i < count ? "layer" : "caller"))
        assert.deepStrictEqual(yield* Deferred.await(seen), expected)
      }).pipe(Effect.provide(EventBus.layerMemory), Effect.scoped)
    )
  }

  it.effect("is wrapped from the inside out, by what is made once for each start of its subscription", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen: Array<string> = []
      const step = (name: string) => {
        return <Ev extends Event.Event, E, R>(handle: Handler.Handle<Ev, E, R>): Handler.Handle<Ev, E, R> => {
          seen.push(`${name} made`)
          return (delivery) =>
            Effect.ensuring(
              Effect.andThen(
                Effect.sync(() => seen.push(`${name} ${delivery.attempt}`)),
                handle(delivery)
              ),
              Effect.sync(() => seen.push(`${name} left`))
            )
        }
      }
      const wrapped = Handler.make(pings, () => Effect.sync(() => seen.push("handled"))).pipe(
        Handler.around(step("inner"), { name: "inner" }),
        Handler.around(step("outer"))
      )
      assert.deepStrictEqual(wrapped.steps, [{ _tag: "Around", name: "inner" }])
      yield* bus.subscribe(wrapped)
      for (let i = 0; i < 2; i++) {
        yield* bus.publish(yield* Ping.event({}))
        yield* TestClock.adjust(0)
      }
      const once = ["outer 1", "inner 1", "handled", "inner left", "outer left"]
      assert.deepStrictEqual(seen, ["inner made", "outer made", ...once, ...once])
    }).pipe(Effect.scoped, Effect.provide(EventBus.layerMemory))
  )

  it.effect("is skipped by what is around it, and the event is acknowledged all the same", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      let handled = 0
      const counting = Handler.make(pings, () => Effect.sync(() => ++handled))
      yield* bus.subscribe(Handler.around(counting, () => () => Effect.succeed(Settlement.ack)))
      yield* bus.publish(yield* Ping.event({}))
      yield* TestClock.adjust(0)
      assert.strictEqual(handled, 0)
      assert.deepStrictEqual(yield* memory.peek("pings"), [])
    }).pipe(Effect.scoped, Effect.provide(EventBus.layerMemory))
  )

  it.live("gives way to everything else after 100 ms, and its subscription drains what waits then", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const events = yield* Effect.forEach(Array.from({ length: 50 }), () => Ping.event({}))
      const busy = ["busy", "too"].map((name) => Subscription.make(name, { events: [Ping], concurrency: 50 }))
      yield* Effect.forEach(busy, bus.declare)
      yield* bus.publishAll(events)
      const handled = { busy: 0, too: 0 }
      const atFirst = yield* Effect.scoped(
        Effect.gen(function* () {
          for (const subscription of busy) {
            yield* bus.subscribe(
              Handler.make(subscription, () =>
                Effect.sync(() => {
                  for (const until = performance.now() + 10; performance.now() < until;);
                  handled[subscription.name === "busy" ? "busy" : "too"] += 1
                })
              )
            )
          }
          yield* Effect.yieldNow
          const atFirst = handled.busy
          while (handled.busy < 40) yield* Effect.yieldNow
          assert.isAbove(handled.too, 0)
          return atFirst
        })
      )
      assert.isBelow(atFirst, 50)
      assert.deepStrictEqual(handled, { busy: 50, too: 50 })
    }).pipe(Effect.provide(EventBus.layerMemory))
  )

  it.effect("has until the drain timeout to finish when its subscription stops, and is interrupted then", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const patient = Subscription.make("patient", { events: [Slow], concurrency: 2, drainTimeout: "1 minute" })
      const endings: Array<string> = []
      const started = yield* Queue.unbounded<number>()
      const isStopping = yield* Deferred.make<void>()
      const handler = Handler.make(patient, ({ payload }) =>
        Queue.offer(started, payload.millis).pipe(
          Effect.andThen(Effect.sleep(payload.millis)),
          Effect.andThen(Effect.sync(() => endings.push("finished"))),
          Effect.onInterrupt(() => Effect.sync(() => endings.push("interrupted")))
        )
      )
      const stopped = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            yield* bus.subscribe(handler)
            for (const millis of [59_000, 61_000]) yield* bus.publish(yield* Slow.event({ millis }))
            yield* Deferred.await(isStopping)
          })
        )
      )
      yield* Queue.takeN(started, 2)
      yield* Deferred.succeed(isStopping, undefined)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual([endings, stopped.pollUnsafe()], [["finished"], undefined])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopped)
      assert.deepStrictEqual(endings, ["finished", "interrupted"])
      assert.strictEqual((yield* memory.peek("patient")).length, 1)
    }).pipe(Effect.scoped, Effect.provide(EventBus.layerMemory))
  )

  it.effect("that is too slow after its answers is retried by default, or answered by one more policy", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const slow = (queue: string) =>
        Handler.make(Subscription.make(queue, { events: [Ping] }), () => Effect.never).pipe(
          Handler.onFailure(FailurePolicy.discard),
          Handler.timeout("30 seconds")
        )
      yield* bus.subscribe(slow("by-default"))
      yield* bus.subscribe(
        slow("answered").pipe(Handler.onFailure(FailurePolicy.tags({ TimeoutError: FailurePolicy.deadLetter })))
      )
      yield* bus.publish(yield* Ping.event({}))
      yield* TestClock.adjust("30 seconds")
      const faults = (queue: string) =>
        Effect.map(memory.peek(queue), (envelopes) => envelopes.map(({ fault }) => fault?.reason))
      assert.deepStrictEqual(yield* faults("dlq.answered"), ["TimeoutError"])
      assert.deepStrictEqual(yield* faults("dlq.by-default"), [])
      assert.strictEqual((yield* Effect.flatMap(bus.queueInfo("by-default"), Effect.fromOption)).messages, 0)
    }).pipe(Effect.scoped, Effect.provide(EventBus.layerMemory))
  )

  it("is told from a subscription and an event type, and each of them from anything else", () => {
    const guards = [Handler.isHandler, Subscription.isSubscription, EventType.isEventType]
    const values: ReadonlyArray<unknown> = [handler, pings, Ping]
    for (const [i, is] of guards.entries()) {
      assert.deepStrictEqual(values.map(is), [i === 0, i === 1, i === 2])
      for (const other of [undefined, null, "pings", {}, [handler], () => handler]) assert.isFalse(is(other))
    }
  })
})
