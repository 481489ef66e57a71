import { assert } from "@effect/vitest"
import { EventBus, Handler, QueueSpec, Settlement, Subscription } from "effect-eventbus"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { bounded, eventually } from "./Patience.ts"
import { messages, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { TaskDone } from "./TestEvents.ts"

export const lifetimeSuite = suite("subscriptions that start and stop", (test, { bus: busOf, features }) => {
  test("background consumption, and stop: it ends with its scope, and the queue keeps later events", () =>
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

  test("a subscription is stopped by its handle, and the queue keeps later events", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const subscription = Subscription.make(queue, { events: [TaskDone] })
      const started = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const handled = yield* Ref.make(0)
      const running = yield* bus.subscribe(
        Handler.make(subscription, () =>
          Deferred.succeed(started, undefined).pipe(
            Effect.andThen(Deferred.await(gate)),
            Effect.andThen(Ref.update(handled, (n) => n + 1))
          )
        )
      )
      assert.strictEqual(running.queue, queue)
      yield* eventually(running.info, (info) => info._tag === "Some" && info.value.consumers === 1)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* bounded(Deferred.await(started))
      const stopping = yield* Effect.forkChild(running.stop, { startImmediately: true })
      assert.isUndefined(stopping.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* bounded(Fiber.join(stopping))
      assert.strictEqual(yield* Ref.get(handled), 1, "stop waits for the handler")
      yield* bus.publish(yield* TaskDone.event({ n: 2 }))
      yield* eventually(messages(queue), (n) => n === 1)
      yield* running.stop
    }))

  test("a declared subscription keeps what is published before its handler starts", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const subscription = Subscription.make(queue, { events: [TaskDone] })
      yield* bus.declare(subscription)
      yield* bus.declare(subscription)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }), { unroutable: "fail" })
      yield* eventually(messages(queue), (n) => n === 1)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 0)
      const seen = yield* record(subscription)
      assert.strictEqual((yield* seen.take).event.payload.n, 1)
      const watch = Subscription.make(yield* unique("watch"), { events: [TaskDone], temporary: true })
      assert.throws(() => bus.declare(watch), RangeError)
    }))

  test("blocking consumption, and stop: run continues until it is interrupted", () =>
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

  test("a stop waits for its handlers until the drain timeout, and no longer", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const drainTimeout = 500
      const started = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const seen = yield* Scope.provide(
        record(Subscription.make(queue, { events: [TaskDone], drainTimeout }), () =>
          Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
        ),
        scope
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* bounded(Deferred.await(started))
      const [took] = yield* Effect.timed(bounded(Scope.close(scope, Exit.void)))
      assert.strictEqual(yield* seen.size, 0)
      // A timer of Node can be early by a part of a millisecond.
      assert.isAtLeast(Duration.toMillis(took) + 1, drainTimeout)
      yield* eventually(messages(queue), (n) => n === 1)
    }))

  test("interruption is not failure: the unfinished events of a stopped subscription return to the queue, with no attempt used up", () =>
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
      // Each consumer stops after a few events, and the next one continues.
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

  test("at-most-once mode: no event is handled twice, whenever a subscription stops", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("metrics")
      const subscription = Subscription.make(queue, { events: [TaskDone], guarantee: "at-most-once", concurrency: 4 })
      const numbers = Array.from({ length: 20 }, (_, n) => n)
      yield* Effect.scoped(record(subscription))
      yield* bus.publishAll(yield* Effect.forEach(numbers, (n) => TaskDone.event({ n })))
      const handled: Array<number> = []
      const noting = record(subscription, ({ payload }) => Effect.sync(() => handled.push(payload.n)))
      yield* Effect.scoped(Effect.tap(noting, (seen) => seen.take))
      yield* noting
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(new Set(handled).size, handled.length)
    }))

  test("a delivery is settled once: the first settlement wins", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const subscription = Subscription.make(queue, { events: [TaskDone], concurrency: 1 })
      const letters = yield* record(Subscription.make(QueueSpec.deadLetterQueueOf(queue), { patterns: ["#"] }))
      const attempts = yield* recorder<number>()
      yield* bus.stream(subscription).pipe(
        Stream.runForEach((delivery) =>
          Effect.andThen(
            Effect.all(
              delivery.attempt === 1
                ? [delivery.settle(Settlement.retry("20 millis")), delivery.settle(Settlement.deadLetter())]
                : [delivery.settle(Settlement.ack)],
              { concurrency: "unbounded" }
            ),
            attempts.push(delivery.attempt)
          )
        ),
        Effect.forkScoped
      )
      yield* eventually(bus.queueInfo(queue), (info) => info._tag === "Some" && info.value.consumers === 1)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.deepStrictEqual(yield* attempts.takeN(2), [1, 2])
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* letters.size, 0)
    }))

  test("a subscription that cannot start leaves nothing behind", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      yield* record(Subscription.make(queue, { events: [TaskDone] }))
      const built = yield* Ref.make(0)
      const service = Layer.effectDiscard(Ref.update(built, (n) => n + 1))
      const differs = Subscription.make(queue, { events: [TaskDone], messageTtl: "1 minute" })
      yield* Effect.flip(bus.subscribe(Handler.make(differs, () => Effect.void).pipe(Handler.provide(service))))
      assert.strictEqual(yield* Ref.get(built), 0)
    }))

  test("a handler that cannot be interrupted does not hold up the end of its subscription", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const gate = yield* Deferred.make<void>()
      const started = yield* recorder<number>()
      const stubborn = Subscription.make(yield* unique("tasks"), { events: [TaskDone], drainTimeout: 0 })
      yield* bounded(
        Effect.scoped(
          Effect.gen(function* () {
            yield* bus.subscribe(
              Handler.make(stubborn, (event) =>
                Effect.andThen(started.push(event.payload.n), Effect.uninterruptible(Deferred.await(gate)))
              )
            )
            yield* bus.publish(yield* TaskDone.event({ n: 1 }))
            yield* started.take
          })
        )
      )
      yield* Deferred.succeed(gate, undefined)
    }))

  test("a layer that a handler is given is built once, and released with its subscription", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}
      const log = yield* recorder<string>()
      const greeting = Layer.effect(
        Greeting,
        Effect.acquireRelease(Effect.as(log.push("built"), "hello"), () => log.push("released"))
      )
      const handler = Handler.make(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }), (event) =>
        Effect.flatMap(Greeting, (text) => log.push(`${text} ${event.payload.n}`))
      ).pipe(Handler.provide(greeting))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bus.subscribe(handler)
          yield* bus.publishAll(yield* Effect.forEach([1, 2], (n) => TaskDone.event({ n })))
          assert.deepStrictEqual(yield* log.takeN(3), ["built", "hello 1", "hello 2"])
        })
      )
      assert.strictEqual(yield* log.take, "released")
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
