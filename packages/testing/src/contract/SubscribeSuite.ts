import { assert } from "@effect/vitest"
import { Correlation, EventBus, Handler, QueueSpec, Settlement, Subscription } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { bounded, eventually } from "./Patience.ts"
import { messages, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { TaskDone, TaskFailed, UserJoined } from "./TestEvents.ts"

export const subscribeSuite = suite("subscribing", (test, { bus: busOf }) => {
  test("basic subscription: events of the type arrive, others don't", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("done"), { events: [TaskDone] }))
      yield* bus.publish(yield* UserJoined.event({ name: "not for us" }))
      yield* bus.publish(yield* TaskDone.event({ n: 1 }, { priority: "critical" }))
      const { event } = yield* seen.take
      assert.strictEqual(event.eventType, "task.done")
      assert.strictEqual(event.payload.n, 1)
      assert.strictEqual(yield* seen.size, 0)
    }))

  test("a subscription of several types receives their union", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* recorder<string>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(yield* unique("tasks"), { events: [TaskDone, TaskFailed] }), (event) =>
          seen.push(event.eventType === "task.done" ? `done ${event.payload.n}` : `failed: ${event.payload.why}`)
        )
      )
      yield* bus.publish(yield* TaskDone.event({ n: 3 }))
      yield* bus.publish(yield* TaskFailed.event({ why: "disk" }))
      assert.deepStrictEqual(yield* seen.takeN(2), ["done 3", "failed: disk"])
    }))

  test("an event that is put back stays, however often, with its attempt", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const attempts = yield* bus.stream(Subscription.make(queue, { events: [TaskDone] })).pipe(
        Stream.zipWithIndex,
        Stream.take(31),
        Stream.mapEffect(([{ attempt, settle }, i]) =>
          Effect.as(settle(i < 30 ? Settlement.requeue : Settlement.ack), attempt)
        ),
        Stream.runCollect,
        Effect.forkScoped
      )
      yield* eventually(bus.queueInfo(queue), (info) => Option.isSome(info) && info.value.consumers > 0)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      const seen = yield* bounded(Fiber.join(attempts))
      assert.deepStrictEqual([...new Set(seen)], [1])
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("a stream gets what is published once it is open, before its first pull", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const subscription = Subscription.make(yield* unique("tail"), { events: [TaskDone], temporary: true })
      const pull = yield* Stream.toPull(bus.stream(subscription))
      yield* bus.publish(yield* TaskDone.event({ n: 7 }), { unroutable: "fail" })
      const [{ event, settle }] = yield* bounded(pull)
      yield* settle(Settlement.ack)
      assert.strictEqual(event.payload.n, 7)
    }))

  test("several patterns: each event that any of them matches arrives once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(
        Subscription.make(yield* unique("several"), { patterns: ["task.#", "*.done.*", "user.joined.high"] })
      )
      yield* bus.publish(yield* UserJoined.event({ name: "low" }, { priority: "low" }))
      yield* bus.publish(yield* UserJoined.event({ name: "high" }, { priority: "high" }))
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* bus.publish(yield* TaskFailed.event({ why: "last" }))
      assert.deepStrictEqual(
        (yield* seen.takeN(3)).map(({ event }) => event.payload),
        [{ name: "high" }, { n: 1 }, { why: "last" }]
      )
      assert.strictEqual(yield* seen.size, 0)
    }))

  test("priority patterns: task.*.critical receives critical tasks alone", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("pager"), { patterns: ["task.*.critical"] }))
      for (const priority of ["low", "normal", "high", "critical"] as const) {
        yield* bus.publish(yield* TaskFailed.event({ why: priority }, { priority }))
        yield* bus.publish(yield* UserJoined.event({ name: priority }, { priority }))
      }
      assert.deepStrictEqual((yield* seen.take).event.payload, { why: "critical" })
      assert.strictEqual(yield* seen.size, 0)
    }))

  test("fan-out: each queue gets a copy", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queues = yield* Effect.forEach(["billing", "audit", "search"], (name) =>
        Effect.flatMap(unique(name), (queue) => record(Subscription.make(queue, { events: [TaskDone] })))
      )
      const event = yield* TaskDone.event({ n: 1 })
      yield* bus.publish(event)
      for (const seen of queues) assert.strictEqual((yield* seen.take).event.eventId, event.eventId)
    }))

  test("consumers of one queue share its events", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const work = Subscription.make(yield* unique("work"), { events: [TaskDone], concurrency: 1 })
      // Each consumer holds its first event until the other has one too.
      const both = yield* Deferred.make<void>()
      const busy = yield* Ref.make(0)
      const meet = Effect.gen(function* () {
        if ((yield* Ref.updateAndGet(busy, (n) => n + 1)) === 2) yield* Deferred.succeed(both, undefined)
        yield* bounded(Deferred.await(both)).pipe(Effect.orDie)
      })
      const left = yield* record(work, () => meet)
      const right = yield* record(work, () => meet)
      yield* bus.publishAll(yield* Effect.forEach([1, 2], (n) => TaskDone.event({ n })))
      const numbers = [(yield* left.take).event.payload.n, (yield* right.take).event.payload.n]
      assert.deepStrictEqual(numbers.toSorted(), [1, 2])
    }))

  test("a subscription handles as many events at once as its concurrency says, and no more", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const gate = yield* Deferred.make<void>()
      const started = yield* recorder<number>()
      const running = yield* Ref.make(0)
      const most = yield* Ref.make(0)
      const done = yield* record(
        Subscription.make(yield* unique("tasks"), { events: [TaskDone], concurrency: 4 }),
        (event) =>
          Effect.gen(function* () {
            const now = yield* Ref.updateAndGet(running, (n) => n + 1)
            yield* Ref.update(most, (n) => Math.max(n, now))
            yield* started.push(event.payload.n)
            yield* Deferred.await(gate)
            yield* Ref.update(running, (n) => n - 1)
          })
      )
      yield* bus.publishAll(yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (n) => TaskDone.event({ n })))
      yield* started.takeN(4)
      yield* Deferred.succeed(gate, undefined)
      yield* done.takeN(8)
      assert.strictEqual(yield* Ref.get(most), 4)
    }))

  test("a subscription holds as many events as its concurrency says, and the others wait in the queue", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const gate = yield* Deferred.make<void>()
      const done = yield* record(Subscription.make(queue, { events: [TaskDone], concurrency: 2 }), () =>
        Deferred.await(gate)
      )
      yield* bus.publishAll(yield* Effect.forEach([1, 2, 3, 4, 5], (n) => TaskDone.event({ n })))
      yield* eventually(messages(queue), (n) => n === 3).pipe(Effect.ensuring(Deferred.succeed(gate, undefined)))
      yield* done.takeN(5)
    }))

  test("configuration by options: the prefetch count is the concurrency of a subscription that sets none", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const gate = yield* Deferred.make<void>()
      const started = yield* recorder<number>()
      yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }), (event) =>
        Effect.andThen(started.push(event.payload.n), Deferred.await(gate))
      )
      yield* bus.publishAll(yield* Effect.forEach([1, 2, 3, 4, 5], (n) => TaskDone.event({ n })))
      assert.deepStrictEqual((yield* started.takeN(3)).toSorted(), [1, 2, 3])
      assert.strictEqual(yield* started.size, 0)
      yield* Deferred.succeed(gate, undefined)
      yield* started.takeN(2)
    }).pipe(Effect.scoped, Effect.provide(busOf({ prefetch: 3 }), { local: true })))

  test("a handler as a layer handles events for as long as the application runs", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* recorder<number>()
      const app = EventBus.subscriber(
        Handler.make(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }), (event) =>
          seen.push(event.payload.n)
        )
      )
      yield* Layer.build(app)
      yield* bus.publish(yield* TaskDone.event({ n: 9 }))
      assert.strictEqual(yield* seen.take, 9)
    }))

  test("request–reply: the answer carries the trace and names the request as its parent", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const replies = yield* record(Subscription.make(yield* unique("replies"), { events: [TaskDone] }))
      yield* bus.subscribe(
        Handler.make(Subscription.make(yield* unique("requests"), { events: [UserJoined] }), () =>
          Effect.flatMap(TaskDone.event({ n: 42 }), (reply) => bus.publish(reply))
        )
      )
      const request = yield* UserJoined.event(
        { name: "Ada" },
        {
          traceId: "1f0b5c1e-0000-4000-8000-00000000000b",
          executionId: "1f0b5c1e-0000-4000-8000-000000000015"
        }
      )
      yield* bus.publish(request)
      const { event } = yield* replies.take
      assert.strictEqual(event.traceId, request.traceId)
      assert.strictEqual(event.executionId, request.executionId)
      assert.strictEqual(event.parentEventId, request.eventId)
    }))

  test("correlation reaches events made elsewhere, and does not override their own", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("seen"), { events: [TaskDone] }))
      const made = yield* TaskDone.event({ n: 1 })
      const own = yield* TaskDone.event({ n: 2 }, { traceId: "1f0b5c1e-0000-4000-8000-0000000000aa" })
      const cause = yield* UserJoined.event({ name: "Ada" }, { traceId: "1f0b5c1e-0000-4000-8000-00000000000b" })
      yield* bus.subscribe(
        Handler.make(Subscription.make(yield* unique("users"), { events: [UserJoined] }), () =>
          bus.publishAll([made, own])
        )
      )
      yield* bus.publish(cause)
      const [first, second] = yield* seen.takeN(2)
      assert.strictEqual(first?.event.traceId, cause.traceId)
      assert.strictEqual(first?.event.parentEventId, cause.eventId)
      assert.strictEqual(second?.event.traceId, "1f0b5c1e-0000-4000-8000-0000000000aa")
      assert.deepStrictEqual(yield* Correlation.Current, Correlation.none)
    }))

  test("at-most-once mode: an event has left the queue before it is handled, and a failure loses it", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("metrics")
      const seen = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], guarantee: "at-most-once" }), (event) =>
          Effect.andThen(seen.push(event.payload.n), event.payload.n === 1 ? Effect.fail("lost") : Effect.void)
        )
      )
      yield* bus.publishAll(yield* Effect.forEach([1, 2], (n) => TaskDone.event({ n })))
      assert.deepStrictEqual(yield* seen.takeN(2), [1, 2])
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* messages(QueueSpec.deadLetterQueueOf(queue)), -1)
    }))

  test("a temporary queue is deleted with its subscription", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("onlooker")
      const scope = yield* Scope.make()
      const seen = yield* Scope.provide(record(Subscription.make(queue, { patterns: ["#"], temporary: true })), scope)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* seen.take
      yield* Scope.close(scope, Exit.void)
      yield* eventually(messages(queue), (n) => n === -1)
    }))

  test("a temporary queue belongs to one subscription alone", () =>
    Effect.gen(function* () {
      const subscription = Subscription.make(yield* unique("onlooker"), { patterns: ["#"], temporary: true })
      yield* record(subscription)
      const error = yield* Effect.flip(record(subscription))
      assert.strictEqual(error._tag, "SubscribeError")
    }))

  test("priorities: more urgent events overtake those that wait", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const gate = yield* Deferred.make<void>()
      const seen = yield* record(
        Subscription.make(yield* unique("urgent"), { events: [TaskFailed], concurrency: 1, priorities: true }),
        (event) => (event.payload.why === "first" ? Deferred.await(gate) : Effect.void)
      )
      yield* bus.publish(yield* TaskFailed.event({ why: "first" }))
      for (const priority of ["low", "normal", "high", "critical"] as const) {
        yield* bus.publish(yield* TaskFailed.event({ why: priority }, { priority }))
      }
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(
        (yield* seen.takeN(5)).map((delivery) => delivery.event.payload.why),
        ["first", "critical", "high", "normal", "low"]
      )
    }))
})
