import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Queue, Schedule, Schema } from "effect"
import {
  Broker,
  Correlation,
  type Event,
  EventBus,
  EventType,
  FailurePolicy,
  Handler,
  MemoryBroker,
  Middleware,
  Request,
  Settlement,
  Subscription
} from "effect-eventbus"
import { TestClock } from "effect/testing"
import { envelope } from "./BareBroker.ts"

const Ordered = EventType.make("ordered", { payload: Schema.Struct({ n: Schema.Int }) })
class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}
class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}

/** Middleware that notes when it enters and leaves. */
const noting = (log: Array<string>, name: string) =>
  Middleware.layer({
    name,
    handle: (next, { event }) =>
      Effect.suspend(() => {
        log.push(`${name} handles ${event.eventType}`)
        return Effect.tap(next, ({ _tag }) => Effect.sync(() => log.push(`${name} ${_tag}`)))
      }),
    publish: (event, next) =>
      Effect.suspend(() => {
        log.push(`${name} publishes ${event.eventType}`)
        return Effect.tap(next(event), () => Effect.sync(() => log.push(`${name} published`)))
      })
  })

describe("Middleware", () => {
  it.effect("wraps publishes, and handlers outside their steps: the layer next to the bus is next to the wire", () => {
    const log: Array<string> = []
    const bus = noting(log, "far").pipe(Layer.provide(noting(log, "near")), Layer.provideMerge(EventBus.layerMemory))
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const done = yield* Queue.unbounded<number>()
      const handler = Handler.make(Subscription.make("orders", { events: [Ordered] }), ({ payload }) =>
        Effect.suspend(() => {
          log.push("handler")
          return payload.n === 1 ? Effect.asVoid(Queue.offer(done, 1)) : Effect.fail(new Flaky())
        })
      ).pipe(Handler.onFailure(FailurePolicy.discard))
      yield* bus.subscribe(handler)
      yield* bus.publish(yield* Ordered.event({ n: 0 }))
      yield* bus.publishAll([yield* Ordered.event({ n: 1 })])
      yield* Queue.take(done)
      yield* Effect.yieldNow
      const published = ["far publishes ordered", "near publishes ordered", "near published", "far published"]
      const handled = ["near handles ordered", "far handles ordered", "handler"]
      assert.deepStrictEqual(
        log.filter((line) => line.includes("publish")),
        [...published, ...published]
      )
      assert.deepStrictEqual(
        log.filter((line) => !line.includes("publish")),
        [...handled, "far Discard", "near Discard", ...handled, "far Ack", "near Ack"]
      )
    }).pipe(Effect.provide(bus), Effect.scoped)
  })

  it.effect("a publish passes through once, whatever becomes of the event: retries and dead letters do not", () => {
    let published = 0
    let handled = 0
    const bus = Middleware.layer({
      handle: (next) =>
        Effect.andThen(
          Effect.sync(() => (handled += 1)),
          next
        ),
      publish: (event, next) =>
        Effect.andThen(
          Effect.sync(() => (published += 1)),
          next(event)
        )
    }).pipe(Layer.provideMerge(EventBus.layerMemory))
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const handler = Handler.make(Subscription.make("orders", { events: [Ordered] }), () => Effect.fail(new Flaky()))
      yield* bus.subscribe(
        handler.pipe(
          Handler.onFailure(FailurePolicy.retry(Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 }))))
        )
      )
      yield* bus.publish(yield* Ordered.event({ n: 0 }))
      yield* TestClock.adjust("10 seconds")
      yield* memory.expect("dlq.orders", 1)
      yield* bus.deadLetters("orders").replay()
      yield* TestClock.adjust("10 seconds")
      yield* memory.expect("dlq.orders", 1)
      assert.deepStrictEqual([published, handled], [1, 6])
    }).pipe(Effect.provide(bus), Effect.scoped)
  })

  it.effect("has its own services, and leaves those of the handler and of the publisher as they are", () => {
    const seen: Array<string> = []
    const bus = Middleware.layer<Tenant>({
      handle: (next) => Effect.tap(next, () => Effect.map(Tenant, (tenant) => seen.push(`handled for ${tenant}`))),
      publish: (event, next) =>
        Effect.andThen(
          Effect.map(Tenant, (tenant) => seen.push(`for ${tenant}`)),
          next(event)
        )
    }).pipe(Layer.provideMerge(EventBus.layerMemory), Layer.provide(Layer.succeed(Tenant, "acme")))
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const children = yield* Queue.unbounded<string | undefined>()
      const Child = EventType.untyped("child")
      class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}
      yield* bus.subscribe(
        Handler.make(Subscription.make("orders", { events: [Ordered] }), () =>
          Effect.gen(function* () {
            seen.push(yield* Greeting)
            // Created without a correlation: the publish adds that of the event being handled.
            const child = yield* Effect.provideService(Child.event({}), Correlation.Current, Correlation.none)
            yield* bus.publish(child)
          })
        ).pipe(Handler.provide(Layer.succeed(Greeting, "hello")))
      )
      yield* bus.subscribe(
        Handler.make(Subscription.make("children", { events: [Child] }), ({ parentEventId }) =>
          Queue.offer(children, parentEventId)
        )
      )
      const parent = yield* Ordered.event({ n: 1 })
      yield* bus.publish(parent)
      assert.strictEqual(yield* Queue.take(children), parent.eventId)
      yield* Effect.yieldNow
      assert.deepStrictEqual(seen.slice(0, 4), ["for acme", "hello", "for acme", "handled for acme"])
    }).pipe(Effect.provide(bus), Effect.scoped)
  })

  it.effect("never sees what cannot be decoded", () => {
    let handled = 0
    const bus = Middleware.layer({
      handle: (next) =>
        Effect.andThen(
          Effect.sync(() => (handled += 1)),
          next
        )
    }).pipe(Layer.provideMerge(EventBus.layer), Layer.provideMerge(MemoryBroker.layer()))
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const broker = yield* Broker.Broker
      const memory = yield* MemoryBroker.MemoryBroker
      yield* bus.subscribe(Handler.make(Subscription.make("orders", { events: [Ordered] }), () => Effect.void))
      yield* broker.publish(envelope("no JSON", { routingKey: "ordered.normal" }))
      yield* memory.expect("dlq.orders", 1)
      assert.strictEqual(handled, 0)
    }).pipe(Effect.provide(bus), Effect.scoped)
  })

  it.effect(
    "decides itself: an event that it refuses does not reach the handler, and a defect of it is a dead letter",
    () => {
      let handled = 0
      const bus = Middleware.layer({
        handle: (next, { event }) => {
          if (event.sourceService === "stranger") return Effect.succeed(Settlement.deadLetter())
          if (event.sourceService === "bug") throw new TypeError("a bug")
          return next
        }
      }).pipe(Layer.provideMerge(EventBus.layerMemory))
      return Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const memory = yield* MemoryBroker.MemoryBroker
        const done = yield* Queue.unbounded<number>()
        yield* bus.subscribe(
          Handler.make(Subscription.make("orders", { events: [Ordered] }), ({ payload }) =>
            Effect.andThen(
              Effect.sync(() => (handled += 1)),
              Queue.offer(done, payload.n)
            )
          )
        )
        yield* bus.publish(yield* Ordered.event({ n: 1 }, { sourceService: "stranger" }))
        yield* bus.publish(yield* Ordered.event({ n: 2 }, { sourceService: "bug", maxRetries: 0 }))
        yield* bus.publish(yield* Ordered.event({ n: 3 }))
        assert.strictEqual(yield* Queue.take(done), 3)
        const letters = yield* memory.expect("dlq.orders", 2)
        assert.deepStrictEqual(
          letters.map(({ fault }) => fault?.reason),
          [undefined, "TypeError"]
        )
        assert.strictEqual(handled, 1)
      }).pipe(Effect.provide(bus), Effect.scoped)
    }
  )

  it.effect("wraps the publish of a request and of a question, and not the wait for the reply", () => {
    const log: Array<string> = []
    const Count = Request.make("count", {
      payload: Schema.Struct({ n: Schema.Int }),
      success: Schema.Int,
      error: Schema.Never
    })
    const Counted = EventType.make("counted", { payload: Schema.Struct({ n: Schema.Int }) })
    const stamping = Middleware.layer({
      publish: (event, next) => next({ ...event, sourceService: "acme" })
    })
    const bus = noting(log, "far").pipe(
      Layer.provide(stamping),
      Layer.provide(noting(log, "near")),
      Layer.provideMerge(EventBus.layerMemory)
    )
    return Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const note = (event: Event.Event) => Effect.sync(() => log.push(`${event.sourceService} asks`))
      yield* bus.subscribe(
        Request.handle(Subscription.make("counts", { events: [Count] }), Count, (event) =>
          Effect.as(note(event), event.payload.n + 1)
        )
      )
      yield* bus.subscribe(
        Handler.make(Subscription.make("questions", { events: [Ordered] }), (event) =>
          Effect.gen(function* () {
            yield* note(event)
            yield* bus.publish(yield* Counted.event(event.payload))
          }).pipe(Effect.orDie)
        )
      )
      const asked = ["far publishes", "near publishes", "near published", "far published", "acme asks"]
      const steps = () => log.splice(0).flatMap((line) => asked.filter((step) => line.startsWith(step)))
      assert.strictEqual(yield* Request.call(Count, { n: 1 }, { timeout: "1 minute" }), 2)
      const requested = steps()
      assert.sameMembers(requested, asked)
      assert.deepStrictEqual(requested.slice(0, 2), asked.slice(0, 2))
      const answer = yield* bus.ask(yield* Ordered.event({ n: 3 }), [Counted], { timeout: "1 minute" })
      assert.deepStrictEqual(answer.payload, { n: 3 })
      assert.deepStrictEqual(steps().slice(0, 2), asked.slice(0, 2))
    }).pipe(Effect.scoped, Effect.provide(bus))
  })
})
