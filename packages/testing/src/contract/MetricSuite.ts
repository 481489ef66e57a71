import { assert } from "@effect/vitest"
import { EventBus, FailurePolicy, Handler, Metrics, Settlement, Subscription } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import { bounded, eventually } from "./Patience.ts"
import { readings } from "./Readings.ts"
import { deadLetters, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone, TaskFailed, UserJoined } from "./TestEvents.ts"

type Readings = Effect.Success<typeof readings>

/** Waits until some series have the expected values. A series that does not exist counts as zero. */
const become = (expected: Readings) =>
  eventually(
    Effect.map(readings, (all) => Object.fromEntries(Object.keys(expected).map((name) => [name, all[name] ?? 0]))),
    (some) => Object.entries(expected).every(([name, value]) => some[name] === value)
  )

export const metricSuite = suite("metrics", (test) => {
  test("every step of an event is counted, and measured in seconds", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* record(Subscription.make(queue, { events: [TaskDone], concurrency: 2 }))
      yield* bus.publishAll(yield* Effect.forEach([1, 2, 3], (n) => TaskDone.event({ n })))
      yield* seen.takeN(3)
      yield* become({
        eventbus_published_total: 3,
        eventbus_confirmed_total: 3,
        eventbus_confirm_seconds: 3,
        [`eventbus_delivered_total{queue="${queue}"}`]: 3,
        [`eventbus_handled_total{queue="${queue}"}`]: 3,
        [`eventbus_handler_seconds{queue="${queue}"}`]: 3,
        [`eventbus_critical_seconds{queue="${queue}"}`]: 3,
        eventbus_in_flight: 0,
        [`eventbus_handlers_running{queue="${queue}"}`]: 0
      })
      for (const metric of yield* Metric.snapshot) {
        if (metric.type !== "Histogram") continue
        assert.isAtLeast(metric.state.min, 0, metric.id)
        assert.isBelow(metric.state.max, 15, metric.id)
      }
    }))

  test("every series starts at zero", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      yield* record(Subscription.make(queue, { events: [TaskDone] }))
      const expected = Object.values(Metrics.all)
        .filter(({ labels }) => labels.every((label) => label === "queue"))
        // Only a batch handler has these.
        .filter(({ name }) => !name.startsWith("eventbus_batch_"))
        .map(({ labels, name }) => [labels.length === 0 ? name : `${name}{queue="${queue}"}`, 0] as const)
      assert.include(yield* readings, Object.fromEntries(expected))
    }))

  test("an at-most-once event leaves its queue once, and one that its handler puts back is discarded", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], guarantee: "at-most-once" }), ({ payload }) =>
          payload.n === 2 ? Effect.fail(new Flaky(payload)) : Effect.void
        ).pipe(
          Handler.onFailure(FailurePolicy.discard),
          Handler.around(
            (handle) => (delivery) =>
              delivery.event.payload.n === 3 ? Effect.succeed(Settlement.requeue) : handle(delivery)
          )
        )
      )
      for (const n of [1, 2, 3]) yield* bus.publish(yield* TaskDone.event({ n }))
      yield* become({
        [`eventbus_delivered_total{queue="${queue}"}`]: 3,
        [`eventbus_handled_total{queue="${queue}"}`]: 1,
        [`eventbus_discarded_total{queue="${queue}"}`]: 2
      })
      assert.strictEqual((yield* readings)["eventbus_stale_settlements_total"], 0)
    }))

  test("failures are counted by error and by settlement", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], patterns: ["task.#"] }), ({ payload }) =>
          payload.n === 0 ? Effect.die(new TypeError("a bug")) : Effect.fail(new Flaky(payload))
        ).pipe(Handler.onFailure(FailurePolicy.tags({ Flaky: soon(2) })))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 0 }))
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* bus.publish(yield* TaskFailed.event({ why: "the subscription does not know this type" }))
      yield* letters.takeN(3)
      yield* become({
        [`eventbus_delivered_total{queue="${queue}"}`]: 5,
        [`eventbus_handled_total{queue="${queue}"}`]: 0,
        [`eventbus_failed_total{error_type="Flaky",queue="${queue}"}`]: 3,
        [`eventbus_failed_total{error_type="TypeError",queue="${queue}"}`]: 1,
        [`eventbus_failed_total{error_type="UnknownEventType",queue="${queue}"}`]: 1,
        [`eventbus_retried_total{queue="${queue}"}`]: 2,
        [`eventbus_dead_lettered_total{queue="${queue}"}`]: 3,
        [`eventbus_discarded_total{queue="${queue}"}`]: 0,
        [`eventbus_handler_seconds{queue="${queue}"}`]: 4,
        [`eventbus_critical_seconds{queue="${queue}"}`]: 0,
        [`eventbus_handled_total{queue="dlq.${queue}"}`]: 3
      })
    }))

  test("discarded events are counted, also where there are no dead letters", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], patterns: ["#"], deadLetter: false }), () =>
          Effect.fail(new Flaky({ n: 1 }))
        ).pipe(Handler.onFailure(FailurePolicy.discard))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* bus.publish(yield* UserJoined.event({ name: "Ada" }))
      yield* become({
        [`eventbus_discarded_total{queue="${queue}"}`]: 2,
        [`eventbus_failed_total{error_type="Flaky",queue="${queue}"}`]: 1,
        [`eventbus_failed_total{error_type="UnknownEventType",queue="${queue}"}`]: 1
      })
    }))

  test("a publish is counted by its outcome", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }))
      const unwanted = yield* UserJoined.event({ name: "Ada" })
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* bus.publish(unwanted)
      yield* Effect.flip(bus.publish(unwanted, { unroutable: "fail" }))
      yield* Effect.flip(bus.publish({ ...unwanted, traceId: "no UUID" }))
      yield* become({
        eventbus_published_total: 4,
        eventbus_confirmed_total: 1,
        eventbus_returned_total: 2,
        'eventbus_not_published_total{error_type="EncodeFailed"}': 1,
        eventbus_in_flight: 0
      })
    }))

  test("handlers are counted while they run, and no longer when they are interrupted", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const running = `eventbus_handlers_running{queue="${queue}"}`
      const finish = yield* Deferred.make<void>()
      yield* Effect.gen(function* () {
        yield* bus.subscribe(
          Handler.make(
            Subscription.make(queue, { events: [TaskDone], concurrency: 3, drainTimeout: "1 millis" }),
            ({ payload }) => (payload.n === 1 ? Deferred.await(finish) : Effect.never)
          )
        )
        yield* bus.publishAll(yield* Effect.forEach([1, 2, 3], (n) => TaskDone.event({ n })))
        yield* become({ [running]: 3 })
        yield* Deferred.succeed(finish, undefined)
        yield* become({ [running]: 2, [`eventbus_handled_total{queue="${queue}"}`]: 1 })
      }).pipe(Effect.scoped)
      yield* become({ [running]: 0, [`eventbus_handled_total{queue="${queue}"}`]: 1 })
    }))

  test("deliveries that are settled by hand are counted like those of handlers", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const subscription = Subscription.make(queue, { events: [TaskDone], concurrency: 2 })
      yield* Effect.scoped(record(subscription))
      yield* bus.publishAll(yield* Effect.forEach([1, 2], (n) => TaskDone.event({ n })))
      yield* bus.stream(subscription).pipe(
        Stream.take(2),
        Stream.runForEach(({ event, settle }) =>
          settle(event.payload.n === 1 ? Settlement.ack : Settlement.deadLetter())
        ),
        bounded
      )
      yield* become({
        [`eventbus_delivered_total{queue="${queue}"}`]: 2,
        [`eventbus_handled_total{queue="${queue}"}`]: 1,
        [`eventbus_dead_lettered_total{queue="${queue}"}`]: 1
      })
    }))

  test("the queues of temporary subscriptions are counted together", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* recorder<number>()
      for (const name of ["a", "b"]) {
        const subscription = Subscription.make(yield* unique(name), { events: [TaskDone], temporary: true })
        yield* bus.subscribe(Handler.make(subscription, ({ payload }) => seen.push(payload.n)))
      }
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* seen.takeN(2)
      yield* become({ 'eventbus_handled_total{queue="temporary"}': 2 })
      assert.notProperty(yield* readings, `eventbus_handled_total{queue="${yield* unique("a")}"}`)
    }))
})
