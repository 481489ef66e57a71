import { assert } from "@effect/vitest"
import { Batch, EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { bounded, eventually } from "./Patience.ts"
import { assertFault, deadLetters, messages, recorder } from "./Recorder.ts"
import { SpanCollector } from "./SpanCollector.ts"
import { linksOf, placeOf } from "./SpanReading.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone } from "./TestEvents.ts"

const publish = Effect.fnUntraced(function* (...numbers: ReadonlyArray<number>) {
  const bus = yield* EventBus.EventBus
  yield* bus.publishAll(yield* Effect.forEach(numbers, (n) => TaskDone.event({ n })))
})

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)

/** Returns the numbers in their order: a publish of many events does not keep it. */
const sorted = (numbers: Iterable<number>) => [...numbers].toSorted((a, b) => a - b)

const isOdd = (n: number) => n % 2 === 1

/** Handling many events at once. */
export const batchSuite = suite("batches", (test) => {
  test("events are handled together, and all of them are acknowledged", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* recorder<ReadonlyArray<number>>()
      const tasks = Subscription.make(queue, { events: [TaskDone] })
      yield* bus.declare(tasks)
      yield* publish(...upTo(25))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bus.subscribe(
            Batch.make(tasks, { size: 10, within: "1 second" }, (events) =>
              seen.push(events.map(({ payload }) => payload.n))
            )
          )
          const batches = yield* seen.takeN(3)
          assert.deepStrictEqual(
            batches.map(({ length }) => length),
            [10, 10, 5]
          )
          assert.deepStrictEqual(sorted(batches.flat()), upTo(25))
        })
      )
      assert.strictEqual(yield* messages(queue), 0)
      assert.strictEqual(yield* seen.size, 0)
    }))

  test("each failure of a batch is answered on its own, and the others are done", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* recorder<ReadonlyArray<readonly [n: number, attempt: number]>>()
      const tasks = Subscription.make(queue, { events: [TaskDone] })
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(
        Batch.make(tasks, { size: 4, within: "10 seconds" }, (_, deliveries) =>
          Effect.as(
            seen.push(deliveries.map(({ attempt, event }) => [event.payload.n, attempt])),
            deliveries.map(({ event: { payload } }) =>
              isOdd(payload.n) ? Result.fail(new Flaky(payload)) : Result.void
            )
          )
        ).pipe(Handler.onFailure(soon(2)))
      )
      yield* publish(0, 1, 2, 3)
      const dead = yield* letters.takeN(2)
      assert.deepStrictEqual(sorted(dead.map(({ event }) => Number(event.payload["n"]))), [1, 3])
      for (const letter of dead) assertFault(letter, { reason: "Flaky", attempts: 3, message: /failed at [13]/ })
      const attempts = (yield* seen.takeN(5)).flat()
      for (const n of [0, 2]) {
        assert.deepStrictEqual(
          attempts.filter(([m]) => m === n),
          [[n, 1]]
        )
      }
      for (const n of [1, 3]) {
        assert.deepStrictEqual(
          attempts.filter(([m]) => m === n),
          [
            [n, 1],
            [n, 2],
            [n, 3]
          ]
        )
      }
      yield* eventually(messages(queue), (n) => n === 0)
    }))

  test("an event that fails its whole batch becomes the only dead letter", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const done = yield* recorder<number>()
      const tasks = Subscription.make(queue, { events: [TaskDone], concurrency: 100 })
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(
        Batch.make(tasks, { size: 50, within: "100 millis" }, (events) => {
          const poison = events.find(({ payload }) => payload.n === 77)
          return poison === undefined
            ? Effect.forEach(events, ({ payload }) => done.push(payload.n), { discard: true })
            : Effect.fail(new Flaky(poison.payload))
        }).pipe(Handler.onFailure(soon(2)))
      )
      yield* publish(...upTo(200))
      const letter = yield* letters.take
      assert.strictEqual(letter.event.payload["n"], 77)
      assertFault(letter, { reason: "Flaky", attempts: 3 })
      assert.deepStrictEqual(
        sorted(yield* done.takeN(199)),
        upTo(200).filter((n) => n !== 77)
      )
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* done.size, 0)
      assert.strictEqual(yield* letters.size, 0)
    }))

  test("a dependency that is down uses up no attempt, and whole batches go on when it is back", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* recorder<readonly [size: number, attempt: number]>()
      let isDown = true
      const tasks = Subscription.make(queue, { events: [TaskDone] })
      const running = yield* bus.subscribe(
        Batch.make(tasks, { size: 4, within: "1 second" }, (events, [first]) =>
          Effect.suspend(() =>
            isDown ? Effect.fail(new Flaky({ n: 0 })) : seen.push([events.length, first?.attempt ?? 0])
          )
        ).pipe(Handler.onFailure(FailurePolicy.pause(Schedule.spaced("50 millis"))))
      )
      yield* publish(...upTo(4))
      yield* eventually(running.state, ({ _tag }) => _tag !== "Running")
      isDown = false
      assert.deepStrictEqual(yield* seen.takeN(2), [
        [1, 1],
        [3, 1]
      ])
      yield* eventually(messages(queue), (n) => n === 0)
    }))

  test("a stop handles the events that wait for their batch", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* recorder<ReadonlyArray<number>>()
      const tasks = Subscription.make(queue, { events: [TaskDone], drainTimeout: "1 hour" })
      const scope = yield* Scope.make()
      yield* bus
        .subscribe(
          Batch.make(tasks, { size: 10, within: "1 hour" }, (events) =>
            seen.push(events.map(({ payload }) => payload.n))
          )
        )
        .pipe(Scope.provide(scope))
      yield* publish(1, 2, 3)
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* seen.size, 0)
      yield* bounded(Scope.close(scope, Exit.void))
      assert.deepStrictEqual(sorted(yield* seen.take), [1, 2, 3])
      assert.strictEqual(yield* messages(queue), 0)
    }))

  test("a batch that outlives the drain timeout goes back to its queue as a whole, with no attempt used", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const begun = yield* Deferred.make<void>()
      const seen = yield* recorder<readonly [n: number, attempt: number]>()
      const tasks = Subscription.make(queue, { events: [TaskDone], drainTimeout: 1 })
      let interrupted = 0
      const first = yield* Effect.forkChild(
        bus.run(
          Batch.make(tasks, { size: 3, within: "1 hour" }, () =>
            Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
              Effect.onInterrupt(() => Effect.sync(() => (interrupted += 1)))
            )
          )
        )
      )
      yield* bus.declare(tasks)
      yield* publish(1, 2, 3)
      yield* bounded(Deferred.await(begun))
      yield* bounded(Fiber.interrupt(first))
      assert.strictEqual(interrupted, 1)
      yield* bus.subscribe(
        Batch.make(tasks, { size: 3, within: "1 hour" }, (_, deliveries) =>
          Effect.forEach(deliveries, ({ attempt, event }) => seen.push([event.payload.n, attempt]), { discard: true })
        )
      )
      const again = yield* seen.takeN(3)
      assert.deepStrictEqual(sorted(again.map(([n]) => n)), [1, 2, 3])
      assert.deepStrictEqual([...new Set(again.map(([, attempt]) => attempt))], [1])
    }))

  test("the span of a batch is linked to the span of each event, and in the trace of none", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const spans = new SpanCollector()
      yield* Effect.gen(function* () {
        yield* bus.subscribe(
          Batch.make(Subscription.make(queue, { events: [TaskDone] }), { size: 3, within: "1 hour" }, () =>
            Effect.withSpan(Effect.void, "insert")
          )
        )
        yield* publish(1, 2, 3)
        yield* spans.ended("batch")
        yield* eventually(
          Effect.sync(() => spans.named("ack").length),
          (n) => n === 3
        )
      }).pipe(spans.collect)
      const [batch] = spans.named("batch")
      const [insert] = spans.named("insert")
      assert.isDefined(batch)
      assert.isDefined(insert)
      const processes = spans.named("process")
      assert.strictEqual(processes.length, 3)
      assert.strictEqual(batch.name, `batch ${queue}`)
      assert.deepStrictEqual(linksOf(batch).toSorted(), processes.map(placeOf).toSorted())
      assert.strictEqual(batch.attributes.get("messaging.batch.message_count"), 3)
      assert.notInclude(
        processes.map(({ traceId }) => traceId),
        batch.traceId
      )
      assert.strictEqual(insert.traceId, batch.traceId)
    }))
})
