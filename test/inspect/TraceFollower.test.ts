import { TraceFollower } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import {
  type Causation,
  EventBus,
  EventType,
  FailurePolicy,
  Handler,
  MemoryBroker,
  Subscription
} from "effect-eventbus"
import { TestClock } from "effect/testing"

const Asked = EventType.untyped("asked")
const Answered = EventType.untyped("answered")

const traceId = "1f0b5c1e-0000-4000-8000-00000000000b"

const layer = Layer.provideMerge(EventBus.layer, MemoryBroker.layer())

/** A desk that answers each question, and a clerk that fails on each answer. */
const open = Effect.gen(function* () {
  const bus = yield* EventBus.EventBus
  const desk = Subscription.make("desk", { events: [Asked] })
  const clerk = Subscription.make("clerk", { events: [Answered] })
  yield* bus.subscribe(Handler.make(desk, () => Effect.flatMap(Answered.event({}), bus.publish)))
  yield* bus.subscribe(
    Handler.make(clerk, () => Effect.fail("no idea")).pipe(Handler.onFailure(FailurePolicy.deadLetter))
  )
  return bus
})

const ask = Effect.fnUntraced(function* (bus: EventBus.EventBus["Service"], traceId: string) {
  yield* bus.publish(yield* Asked.event({}, { traceId }))
  yield* (yield* MemoryBroker.MemoryBroker).expect("dlq.clerk", 1)
})

const inWords = (seen: Causation.Seen) => `${seen.queue.replace(/^trace\..*/, "live")} ${seen.event.eventType}`

describe("TraceFollower", () => {
  it.effect("sees the events of its trace, and their dead letters, once each", () =>
    Effect.gen(function* () {
      const bus = yield* open
      const events = yield* TraceFollower.make({ traceId: traceId.toUpperCase(), queues: ["clerk"] })
      const seen: Array<string> = []
      const all = yield* Deferred.make<void>()
      yield* Effect.forkScoped(
        Stream.runForEach(events, (sighting) =>
          Effect.suspend(() => {
            seen.push(inWords(sighting))
            return seen.length === 3 ? Deferred.succeed(all, undefined) : Effect.void
          })
        )
      )
      yield* ask(bus, traceId)
      yield* TestClock.adjust("2 seconds")
      yield* Deferred.await(all)
      // Another dead letter changes their number, so that all of them are read again.
      yield* ask(bus, crypto.randomUUID())
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(seen.toSorted(), ["dlq.clerk answered", "live answered", "live asked"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("sees dead letters of the past, and leaves them in their queue", () =>
    Effect.gen(function* () {
      const bus = yield* open
      yield* ask(bus, traceId)
      const events = yield* TraceFollower.make({ traceId, queues: ["clerk"] })
      const [dead] = yield* Stream.runCollect(Stream.take(events, 1))
      assert.strictEqual(dead?.queue, "dlq.clerk")
      assert.strictEqual(dead?.envelope.fault?.message, "no idea")
      const { letters } = yield* bus.deadLetters("clerk").peek({})
      assert.lengthOf(letters, 1)
    }).pipe(Effect.provide(layer))
  )

  it.effect("ends after the largest number of events that it follows", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const events = yield* TraceFollower.make({ traceId })
      const seen = yield* Effect.forkScoped(Stream.runCollect(events))
      for (let i = 0; i < TraceFollower.maxSeen + 10; i++) yield* bus.publish(yield* Asked.event({}, { traceId }))
      assert.lengthOf(yield* Fiber.join(seen), TraceFollower.maxSeen)
    }).pipe(Effect.provide(layer))
  )

  it.effect("fails where a queue keeps no dead letters", () =>
    Effect.gen(function* () {
      const events = yield* TraceFollower.make({ traceId, queues: ["nonesuch"] })
      const error = yield* Effect.flip(Stream.runDrain(events))
      assert.deepNestedInclude(error.reason, { _tag: "NotFound", name: "dlq.nonesuch" })
    }).pipe(Effect.provide(layer))
  )
})
