import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { eventually } from "../support/eventually.ts"

const Moved = EventType.untyped("moved")
const orderedBy = () => "a key"

describe("An ordered subscription", () => {
  for (const [what, make] of [
    ["at-most-once", () => Subscription.make("q", { events: [Moved], orderedBy, guarantee: "at-most-once" })],
    ["a temporary queue", () => Subscription.make("q", { events: [Moved], orderedBy, temporary: true })],
    ["priorities", () => Subscription.make("q", { events: [Moved], orderedBy, priorities: true })],
    ["the dead letters of a queue", () => Subscription.make("dlq.q", { events: [Moved], orderedBy })],
    ["a hold of no time", () => Subscription.make("q", { events: [Moved], orderedBy, holdFor: 0 })],
    ["a hold that is too long", () => Subscription.make("q", { events: [Moved], orderedBy, holdFor: "11 minutes" })],
    ["a hold, but no order", () => Subscription.make("q", { events: [Moved], holdFor: "1 second" })]
  ] as const) {
    it(`is not defined with ${what}`, () => assert.throws(make, RangeError, /"q"|"dlq.q"/))
  }

  const ordered = Handler.make(Subscription.make("q", { events: [Moved], orderedBy, holdFor: "10 seconds" }), () =>
    Effect.fail("no")
  )
  const spaced = (seconds: number, times: number) =>
    FailurePolicy.retry(Schedule.spaced(seconds * 1000).pipe(Schedule.upTo({ times })))

  it("does not retry for longer than it holds an event", () => {
    for (const policy of [
      spaced(11, 1),
      spaced(3, 4),
      FailurePolicy.retry(Schedule.spaced("1 second")),
      FailurePolicy.orElse(FailurePolicy.deadLetter, spaced(11, 1))
    ]) {
      assert.throws(() => Handler.onFailure(ordered, policy), RangeError, /holds an event for 10s/)
    }
    for (const policy of [spaced(10, 1), spaced(3, 3), FailurePolicy.retryUpToMax, FailurePolicy.deadLetter]) {
      Handler.onFailure(ordered, policy)
    }
  })

  it("is told of each case of a policy", () => {
    const cases = { Flaky: FailurePolicy.deadLetter, Slow: spaced(6, 2) }
    assert.isTrue(FailurePolicy.tags(cases).outlasts?.(10_000))
    assert.isFalse(FailurePolicy.tags(cases).outlasts?.(12_000))
    assert.isTrue(FailurePolicy.tags({ Flaky: FailurePolicy.deadLetter }, { defect: spaced(11, 1) }).outlasts?.(10_000))
  })

  it.live("is replayed in its order, also where a key has more dead letters than are held at once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const total = 2500
      const handled: Array<unknown> = []
      let isBroken = true
      const subscription = Subscription.make("many", { events: [Moved], orderedBy, prefetch: 50 })
      yield* bus.subscribe(
        Handler.make(subscription, ({ payload: { n } }) =>
          isBroken ? Effect.fail("no") : Effect.sync(() => handled.push(n))
        ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      const numbers = Array.from({ length: total }, (_, n) => n)
      for (const n of numbers) yield* bus.publish(yield* Moved.event({ n }))
      yield* memory.expect("dlq.many", total)
      // As a killed look leaves them.
      const letters = yield* bus.deadLetters("many").peek({ limit: 10 })
      yield* bus.deadLetters("many").discard({ limit: 10 })
      yield* Effect.forEach(letters.letters, bus.deadLetters("many").put, { discard: true })
      isBroken = false
      yield* bus.deadLetters("many").replay()
      yield* bus.publish(yield* Moved.event({ n: total }))
      yield* eventually(
        "the key flows again",
        Effect.sync(() => handled.length > total)
      )
      assert.deepStrictEqual(handled, [...numbers, total])
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(EventBus.layer, MemoryBroker.layer())))
  )

  it.effect("is not streamed", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      assert.throws(() => bus.stream(ordered.subscription), RangeError, /is ordered/)
    }).pipe(Effect.provide(EventBus.layerMemory))
  )
})
