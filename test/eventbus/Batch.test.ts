import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Metric, Result, Schedule, Schema, type Scope } from "effect"
import {
  Batch,
  type Event,
  EventBus,
  EventType,
  FailurePolicy,
  Handler,
  MemoryBroker,
  Metrics,
  Subscription
} from "effect-eventbus"
import { TestClock } from "effect/testing"

const Step = EventType.make("step", {
  payload: Schema.Struct({ n: Schema.Int, group: Schema.optionalKey(Schema.String) })
})
type StepEvent = EventType.EventOf<typeof Step>
const steps = Subscription.make("steps", { events: [Step] })

class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}
class Wrong extends Schema.TaggedError<Wrong>()("Wrong", {}) {}

const once = FailurePolicy.retry(Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 1 })))

const publish = Effect.fnUntraced(function* (...numbers: ReadonlyArray<number>) {
  const bus = yield* EventBus.EventBus
  for (const n of numbers) yield* bus.publish(yield* Step.event({ n }))
  yield* TestClock.adjust(0)
})

const publishOf = Effect.fnUntraced(function* (group: string, ...numbers: ReadonlyArray<number>) {
  const bus = yield* EventBus.EventBus
  for (const n of numbers) yield* bus.publish(yield* Step.event({ n, group }))
  yield* TestClock.adjust(0)
})

const numbersOf = (events: ReadonlyArray<StepEvent>) => events.map(({ payload }) => payload.n)

/** Keeps the batches that it gets. */
const keeping = () => {
  const batches: Array<ReadonlyArray<number>> = []
  return {
    batches,
    keep: (events: ReadonlyArray<StepEvent>) => Effect.asVoid(Effect.sync(() => batches.push(numbersOf(events))))
  }
}

const deadLetters = Effect.map(
  MemoryBroker.MemoryBroker.use((memory) => memory.peek("dlq.steps")),
  (letters) => letters.map(({ fault }) => [fault?.reason, fault?.attempts, fault?.message])
)

const onMemory = <A, E>(self: Effect.Effect<A, E, EventBus.EventBus | MemoryBroker.MemoryBroker | Scope.Scope>) =>
  self.pipe(Effect.scoped, Effect.provide(EventBus.layerMemory))

describe("Batch", () => {
  it.effect("is handled when it is full, or when its first event has waited long enough", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { batches, keep } = keeping()
      yield* bus.subscribe(Batch.make(steps, { size: 3, within: "1 second" }, keep))
      yield* publish(1, 2, 3, 4)
      assert.deepStrictEqual(batches, [[1, 2, 3]])
      yield* TestClock.adjust(600)
      yield* publish(5)
      yield* TestClock.adjust(399)
      assert.deepStrictEqual(batches, [[1, 2, 3]])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(batches, [
        [1, 2, 3],
        [4, 5]
      ])
      // Its time has passed by, and does not cut the next one short.
      yield* publish(6)
      yield* TestClock.adjust(999)
      yield* publish(7, 8)
      assert.deepStrictEqual(batches.slice(2), [[6, 7, 8]])
    }).pipe(onMemory)
  )

  it.effect("handles one batch at a time, in the order of the queue, unless the concurrency has room for more", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const run = Effect.fnUntraced(function* (subscription: Subscription.Subscription<StepEvent>) {
        const gate = yield* Deferred.make<void>()
        const { batches, keep } = keeping()
        let atOnce = 0
        let most = 0
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* bus.subscribe(
              Batch.make(subscription, { size: 2, within: "1 second" }, (events) =>
                Effect.gen(function* () {
                  most = Math.max(most, (atOnce += 1))
                  yield* keep(events)
                  yield* Deferred.await(gate)
                  atOnce -= 1
                })
              )
            )
            yield* publish(1, 2, 3, 4, 5, 6)
            yield* Deferred.succeed(gate, undefined)
            yield* TestClock.adjust(0)
          })
        )
        assert.deepStrictEqual(batches, [
          [1, 2],
          [3, 4],
          [5, 6]
        ])
        return most
      })
      assert.strictEqual(yield* run(steps), 1)
      assert.strictEqual(yield* run(Subscription.make("steps", { events: [Step], concurrency: 4 })), 2)
    }).pipe(onMemory)
  )

  it.effect("has events of one group, and gives way when no other event can join any", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { batches, keep } = keeping()
      const grouped = Subscription.make("steps", { events: [Step], concurrency: 4 })
      yield* bus.subscribe(
        Batch.make(grouped, { size: 3, within: "1 hour", by: ({ payload }) => payload.group ?? "" }, keep)
      )
      yield* publishOf("a", 1)
      yield* publishOf("b", 2)
      yield* publishOf("a", 3)
      assert.deepStrictEqual(batches, [])
      yield* publishOf("c", 4)
      assert.deepStrictEqual(batches, [[1, 3]])
      yield* publishOf("b", 5, 6)
      assert.deepStrictEqual(batches.slice(1), [[2, 5, 6]])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(batches.slice(2), [[4]])
    }).pipe(onMemory)
  )

  it.effect("blames an event alone for which there is no group", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { batches, keep } = keeping()
      const by = ({ payload }: StepEvent) => {
        if (payload.n === 2) throw new Error("no group")
        return ""
      }
      yield* bus.subscribe(
        Batch.make(steps, { size: 2, within: "1 hour", by }, keep).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      yield* publish(1, 2, 3)
      assert.deepStrictEqual(batches, [[1, 3]])
      assert.deepStrictEqual(yield* deadLetters, [["Error", 1, "no group"]])
    }).pipe(onMemory)
  )

  for (let poison = 0; poison < 4; poison++) {
    it.effect(`fails as a whole once, and then only the event that fails by itself, the one at ${poison}`, () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const tries: Array<readonly [ns: ReadonlyArray<number>, attempt: number | undefined]> = []
        yield* bus.subscribe(
          Batch.make(steps, { size: 4, within: "1 hour" }, (events, [first]) => {
            tries.push([numbersOf(events), first?.attempt])
            return numbersOf(events).includes(poison) ? Effect.fail(new Broken()) : Effect.void
          }).pipe(Handler.onFailure(once))
        )
        yield* publish(0, 1, 2, 3)
        assert.deepStrictEqual(tries, [[[0, 1, 2, 3], 1]])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(
          tries.slice(1),
          [0, 1, 2, 3].map((n) => [[n], 2])
        )
        assert.deepStrictEqual(yield* deadLetters, [["Broken", 2, ""]])
      }).pipe(onMemory)
    )
  }

  it.effect("isolates an event that fails it again and again although the policy pauses", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const tries: Array<ReadonlyArray<number>> = []
      const twice = FailurePolicy.pause(Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 })))
      yield* bus.subscribe(
        Batch.make(steps, { size: 4, within: "10 millis" }, (events) => {
          tries.push(numbersOf(events))
          return numbersOf(events).includes(3) ? Effect.fail(new Broken()) : Effect.void
        }).pipe(Handler.onFailure(twice))
      )
      yield* publish(0, 1, 2, 3)
      for (let second = 0; second < 10; second++) yield* TestClock.adjust("1 second")
      // Each pause is over after one event. The third failure is that of an event alone.
      assert.deepStrictEqual(tries, [[0, 1, 2, 3], [0], [1, 2, 3], [1], [2], [3], [3], [3]])
      assert.deepStrictEqual(yield* deadLetters, [["Broken", 1, ""]])
      // A dead letter says nothing about the dependency, so the next event is a probe, too.
      yield* publish(4, 5, 6, 7)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(tries.slice(8), [[4], [5, 6, 7]])
    }).pipe(onMemory)
  )

  it.effect("loses one of 10,000 events to the dead letters when one is poison, and handles each other once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const done: Array<number> = []
      const poison = 6789
      yield* bus.subscribe(
        Batch.make(
          Subscription.make("steps", { events: [Step], concurrency: 400 }),
          { size: 200, within: "1 second" },
          (events) =>
            numbersOf(events).includes(poison)
              ? Effect.fail(new Broken())
              : Effect.asVoid(Effect.sync(() => done.push(...numbersOf(events))))
        ).pipe(Handler.onFailure(once))
      )
      yield* publish(...Array.from({ length: 10_000 }, (_, n) => n))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* deadLetters, [["Broken", 2, ""]])
      assert.strictEqual(done.length, 9999)
      assert.strictEqual(new Set(done).size, 9999)
      assert.notInclude(done, poison)
    }).pipe(onMemory)
  )

  it.effect("is measured by its events, and by how long the first of them waited", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(
        Batch.make(steps, { size: 3, within: "1 second" }, (events) =>
          numbersOf(events).includes(4) ? Effect.fail(new Broken()) : Effect.void
        ).pipe(Handler.onFailure(once))
      )
      yield* publish(1, 2, 3)
      yield* publish(4, 5)
      yield* TestClock.adjust("2 seconds")
      const snapshot = yield* Metric.snapshot
      const measured = ({ name }: Metrics.Instrument<"queue">) =>
        snapshot
          .filter(({ id }) => id === name)
          .map(({ state }) => ("sum" in state ? [state.count, state.sum] : undefined))
      assert.deepStrictEqual(measured(Metrics.all.batchEvents), [[4, 7]])
      assert.deepStrictEqual(measured(Metrics.all.batchWaitSeconds), [[2, 1]])
    }).pipe(onMemory, Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("fails all of its events with a defect when the results are too few or too many", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const letters = FailurePolicy.deadLetter
      yield* bus.subscribe(
        Batch.make(steps, { size: 2, within: "1 hour" }, (events) =>
          Effect.succeed(numbersOf(events).includes(1) ? [Result.void] : [Result.void, Result.void, Result.void])
        ).pipe(Handler.onFailure(letters))
      )
      yield* publish(1, 2)
      yield* publish(3, 4)
      const message = (n: number) =>
        `The batch of "steps" returned ${n} results for 2 events: return one for each, in their order, or nothing`
      assert.deepStrictEqual(yield* deadLetters, [
        ["RangeError", 1, message(1)],
        ["RangeError", 1, message(1)],
        ["RangeError", 1, message(3)],
        ["RangeError", 1, message(3)]
      ])
    }).pipe(onMemory)
  )

  it.effect("loses an event that times out, and is interrupted when it has lost all", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      let interrupted = 0
      const { batches, keep } = keeping()
      const slow = (events: ReadonlyArray<StepEvent>) =>
        Effect.andThen(keep(events), numbersOf(events).includes(3) ? Effect.never : Effect.void).pipe(
          Effect.onInterrupt(() => Effect.sync(() => (interrupted += 1)))
        )
      yield* bus.subscribe(
        Batch.make(steps, { size: 2, within: "6 seconds" }, slow).pipe(
          Handler.timeout("4 seconds"),
          Handler.onFailure(FailurePolicy.discard)
        )
      )
      // It leaves while the batch gathers, and its place is free for another.
      yield* publish(1)
      yield* TestClock.adjust("4 seconds")
      yield* publish(2)
      yield* TestClock.adjust("1 second")
      yield* publish(3)
      assert.deepStrictEqual(batches, [[2, 3]])
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(interrupted, 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(interrupted, 1)
      yield* publish(4, 5)
      assert.deepStrictEqual(batches.slice(1), [[4, 5]])
    }).pipe(onMemory)
  )

  it.effect("is handled at once when its subscription stops, and so is what waits in the client", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const gate = yield* Deferred.make<void>()
      const { batches, keep } = keeping()
      const running = yield* Effect.forkChild(
        bus.run(
          Batch.make(steps, { size: 3, within: "1 hour" }, (events) =>
            Effect.andThen(keep(events), Deferred.await(gate))
          )
        )
      )
      yield* TestClock.adjust(0)
      yield* publish(1, 2, 3, 4, 5)
      assert.deepStrictEqual(batches, [[1, 2, 3]])
      const stopped = yield* Effect.forkChild(Fiber.interrupt(running))
      yield* TestClock.adjust(0)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(stopped)
      assert.deepStrictEqual(batches.slice(1), [[4, 5]])
      assert.deepStrictEqual(yield* memory.peek("steps"), [])
    }).pipe(onMemory)
  )

  it.effect("passes on what its events have in common", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const Next = EventType.untyped("next")
      const caused: Array<Event.Event> = []
      yield* bus.subscribe(
        Batch.make(steps, { size: 2, within: "1 second" }, () =>
          Effect.asVoid(Effect.flatMap(Next.event({}), (event) => Effect.sync(() => caused.push(event))))
        )
      )
      const [x, y] = ["1f0b5c1e-0000-4000-8000-000000000001", "1f0b5c1e-0000-4000-8000-000000000002"]
      const traceId = "1f0b5c1e-0000-4000-8000-00000000000b"
      const [a, b, c, d, e] = yield* Effect.all([
        Step.event({ n: 1 }, { traceId, executionId: x }),
        Step.event({ n: 2 }, { traceId, executionId: x }),
        Step.event({ n: 3 }, { traceId, executionId: x }),
        Step.event({ n: 4 }, { traceId, executionId: y }),
        Step.event({ n: 5 }, { traceId, executionId: y })
      ])
      for (const event of [a, b, c, d, e]) yield* bus.publish(event)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        caused.map(({ executionId, parentEventId, traceId }) => ({ executionId, parentEventId, traceId })),
        [
          { executionId: x, parentEventId: undefined, traceId },
          { executionId: undefined, parentEventId: undefined, traceId },
          { executionId: y, parentEventId: e.eventId, traceId }
        ]
      )
    }).pipe(onMemory)
  )

  it.effect("takes its services from the steps around it", () =>
    Effect.gen(function* () {
      class Table extends Context.Service<Table, { readonly rows: Array<number> }>()("Table") {}
      const bus = yield* EventBus.EventBus
      const rows: Array<number> = []
      yield* bus.subscribe(
        Batch.make(steps, { size: 2, within: "1 second" }, (events) =>
          Effect.map(Table, ({ rows }) => void rows.push(...numbersOf(events)))
        ).pipe(Handler.provide(Layer.succeed(Table, { rows })))
      )
      yield* publish(1, 2)
      assert.deepStrictEqual(rows, [1, 2])
    }).pipe(onMemory)
  )

  it("is known to the tools that explain a handler, and hands out the next batch in advance", () => {
    const batch = Batch.make(steps, { size: 20, within: "50 millis" }, () => Effect.void)
    assert.deepStrictEqual(batch.steps, [{ _tag: "Batch", size: 20, within: Duration.millis(50) }])
    const { concurrency, prefetch } = batch.subscription
    assert.deepStrictEqual([concurrency, prefetch], [20, 40])
    const given = Subscription.make("steps", { events: [Step], concurrency: 64 })
    const own = Batch.make(given, { size: 20, within: 50 }, () => Effect.void).subscription
    assert.deepStrictEqual([own.concurrency, own.prefetch], [64, 64])
  })

  it("refuses limits that it could not keep", () => {
    const refused = (options: Batch.Options, settings: Subscription.Options, message: RegExp) =>
      assert.throws(
        () => Batch.make(Subscription.make("steps", { ...settings, events: [Step] }), options, () => Effect.void),
        RangeError,
        message
      )
    for (const size of [0, 1.5, -1, Number.NaN, 65536]) refused({ size, within: 1 }, {}, /a whole number from 1 to/)
    for (const within of [0, Infinity]) refused({ size: 2, within }, {}, /a time above 0, and not forever/)
    refused({ size: 11, within: 1 }, { concurrency: 10 }, /the concurrency of its subscription is 10/)
    refused({ size: 11, within: 1 }, { concurrency: 10, prefetch: 20 }, /give a concurrency of 11 or more/)
    refused({ size: 11, within: 1 }, { prefetch: 10 }, /the prefetch of its subscription is 10/)
  })

  it.effect("handles each probe alone, also after one that was a dead letter", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      let isDown = true
      const sizes: Array<number> = []
      const running = yield* bus.subscribe(
        Batch.make(steps, { size: 4, within: "1 minute" }, (events) =>
          Effect.suspend((): Effect.Effect<void, Broken | Wrong> => {
            if (isDown) return Effect.fail(new Broken())
            sizes.push(events.length)
            return events.some(({ payload }) => payload.n < 0) ? Effect.fail(new Wrong()) : Effect.void
          })
        ).pipe(
          Handler.onFailure(
            FailurePolicy.tags({
              Broken: FailurePolicy.pause(Schedule.spaced("1 second")),
              Wrong: FailurePolicy.deadLetter
            })
          )
        )
      )
      yield* publish(-1, 1, 2, 3)
      isDown = false
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* running.state)._tag, "Running")
      assert.deepStrictEqual(sizes.slice(0, 2), [1, 1])
      assert.strictEqual((yield* memory.peek("dlq.steps")).length, 1)
    }).pipe(Effect.provide(EventBus.layerMemory), Effect.scoped)
  )
})
