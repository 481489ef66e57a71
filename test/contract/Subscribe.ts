import { assert } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Ref, Scope, Stream } from "effect"
import { Correlation, EventBus, Handler, Settlement, Subscription } from "effect-eventbus"
import {
  bounded,
  eventually,
  messages,
  record,
  recorder,
  suite,
  TaskDone,
  TaskFailed,
  unique,
  UserJoined
} from "./Harness.ts"

export const subscribing = suite("subscribing", (test, { bus: busOf, features }) => {
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
      // Each holds its first event until the other has one too.
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

  test("configuration by options: the prefetch count is the concurrency where a subscription says none", () =>
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

  test("background consumption, and stop: it ends with its scope, and the queue keeps what comes then", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const subscription = Subscription.make(queue, { events: [TaskDone] })
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(record(subscription), scope)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* first.take
      yield* Scope.close(scope, Exit.void)
      yield* bus.publish(yield* TaskDone.event({ n: 2 }))
      yield* eventually(messages(queue), (n) => n === 1)
      assert.strictEqual(yield* first.size, 0)
      const second = yield* record(subscription)
      assert.strictEqual((yield* second.take).event.payload.n, 2)
    }))

  test("blocking consumption, and stop: run goes on until it is interrupted", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* recorder<number>()
      const handler = Handler.make(Subscription.make(queue, { events: [TaskDone] }), (event) =>
        seen.push(event.payload.n)
      )
      const fiber = yield* Effect.forkChild(bus.run(handler))
      yield* eventually(bus.queueInfo(queue), (info) => info._tag === "Some" && info.value.consumers === 1)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.strictEqual(yield* seen.take, 1)
      yield* Fiber.interrupt(fiber)
      yield* eventually(bus.queueInfo(queue), (info) => info._tag === "Some" && info.value.consumers === 0)
    }))

  test("scope instead of a context manager: closing it waits for the handler that is running", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const started = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const seen = yield* Scope.provide(
        record(Subscription.make(queue, { events: [TaskDone] }), () =>
          Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(gate))
        ),
        scope
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* bounded(Deferred.await(started))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* bus.publish(yield* TaskDone.event({ n: 2 }))
      yield* Deferred.succeed(gate, undefined)
      yield* bounded(Fiber.join(closing))
      assert.strictEqual(yield* seen.size, 1)
      yield* eventually(messages(queue), (n) => n === 1)
    }))

  test("interruption is not failure: what a stopped subscription has not done goes back, with no attempt used up", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const options = { events: [TaskDone], concurrency: 2, drainTimeout: 0 } as const
      const started = yield* recorder<number>()
      const scope = yield* Scope.make()
      yield* Scope.provide(
        record(Subscription.make(queue, options), (event) =>
          Effect.andThen(started.push(event.payload.n), Effect.never)
        ),
        scope
      )
      yield* bus.publishAll(yield* Effect.forEach([1, 2], (n) => TaskDone.event({ n })))
      yield* started.takeN(2)
      yield* Scope.close(scope, Exit.void)
      const again = yield* record(Subscription.make(queue, options))
      const deliveries = yield* again.takeN(2)
      assert.deepStrictEqual(deliveries.map(({ event }) => event.payload.n).toSorted(), [1, 2])
      assert.deepStrictEqual(
        deliveries.map(({ attempt, event }) => [attempt, event.retryCount]),
        [
          [1, 0],
          [1, 0]
        ]
      )
      assert.isTrue(deliveries.every((delivery) => delivery.redelivered))
    }))

  test("nothing is lost when consumers come and go under load", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const subscription = Subscription.make(queue, { events: [TaskDone], concurrency: 10 })
      const handled = new Map<number, number>()
      const consumer = Handler.make(subscription, (event) =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => handled.set(event.payload.n, (handled.get(event.payload.n) ?? 0) + 1))
        )
      )
      yield* Effect.scoped(bus.subscribe(consumer))
      yield* bus.publishAll(
        yield* Effect.forEach(
          Array.from({ length: 300 }, (_, n) => n),
          (n) => TaskDone.event({ n })
        )
      )
      // Each consumer goes as soon as it has handled a few; the next one goes on.
      while (handled.size < 300) {
        const before = handled.size
        yield* Effect.scoped(
          Effect.andThen(
            bus.subscribe(consumer),
            eventually(
              Effect.sync(() => handled.size),
              (size) => size >= Math.min(before + 50, 300)
            )
          )
        )
      }
      assert.strictEqual(Math.max(...handled.values()), 1)
      yield* eventually(messages(queue), (n) => n === 0)
    }))

  test("subscriptions that close at the same time all close", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const scope = yield* Scope.make("parallel")
      for (let i = 0; i < 10; i++) {
        yield* Scope.provide(record(Subscription.make(queue, { events: [TaskDone] })), yield* Scope.fork(scope))
      }
      yield* bounded(Scope.close(scope, Exit.void))
      const bus = yield* EventBus.EventBus
      yield* eventually(bus.queueInfo(queue), (info) => info._tag === "Some" && info.value.consumers === 0)
    }))

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

  test("a stream of deliveries is settled by hand", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const subscription = Subscription.make(queue, { events: [TaskDone], concurrency: 1 })
      const seen = yield* recorder<readonly [number, number]>()
      yield* bus.stream(subscription).pipe(
        Stream.runForEach((delivery) =>
          Effect.andThen(
            seen.push([delivery.event.payload.n, delivery.attempt]),
            delivery.settle(delivery.attempt === 1 ? Settlement.retry("20 millis") : Settlement.ack)
          )
        ),
        Effect.forkScoped
      )
      yield* eventually(bus.queueInfo(queue), (info) => info._tag === "Some" && info.value.consumers === 1)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.deepStrictEqual(yield* seen.takeN(2), [
        [1, 1],
        [1, 2]
      ])
      yield* eventually(messages(queue), (n) => n === 0)
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

  test("correlation reaches events made elsewhere, and gives way to what an event says itself", () =>
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
      assert.strictEqual(yield* messages(Subscription.deadLetterQueueOf(queue)), -1)
    }))

  test("a temporary queue goes with its subscription", () =>
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

  if (features.durable) {
    test("a queue outlives the bus that declared it", () =>
      Effect.gen(function* () {
        const subscription = Subscription.make(yield* unique("durable"), { events: [TaskDone] })
        const bus = yield* EventBus.EventBus
        yield* Effect.scoped(record(subscription)).pipe(Effect.provide(busOf(), { local: true }))
        yield* bus.publish(yield* TaskDone.event({ n: 5 }))
        const seen = yield* record(subscription)
        assert.strictEqual((yield* seen.take).event.payload.n, 5)
      }))
  }
})
