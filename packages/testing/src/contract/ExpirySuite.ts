import { assert } from "@effect/vitest"
import { EventBus, Handler, Settlement, Subscription } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { bounded, eventually } from "./Patience.ts"
import { assertFault, deadLetters, messages, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { TaskDone } from "./TestEvents.ts"

export const expirySuite = suite("failing", (test) => {
  test("message TTL: an expired event goes to the DLQ with the reason expired", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("quick")
      const letters = yield* deadLetters(queue)
      const gate = yield* Deferred.make<void>()
      const started = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(
          Subscription.make(queue, { events: [TaskDone], concurrency: 1, messageTtl: "1 second" }),
          (event) => Effect.andThen(started.push(event.payload.n), Deferred.await(gate))
        )
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* started.take
      const late = yield* TaskDone.event({ n: 2 })
      yield* bus.publish(late)
      const letter = yield* letters.take
      assert.strictEqual(letter.event.eventId, late.eventId)
      assertFault(letter, { reason: "expired" })
      assert.strictEqual(letter.envelope.routingKey, "task.done.normal")
      yield* Deferred.succeed(gate, undefined)
    }))

  test("message TTL: an event may have its own", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("quick")
      const letters = yield* deadLetters(queue)
      const gate = yield* Deferred.make<void>()
      const started = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], concurrency: 1 }), (event) =>
          Effect.andThen(started.push(event.payload.n), Deferred.await(gate))
        )
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* started.take
      yield* bus.publish(yield* TaskDone.event({ n: 2 }, { ttlSeconds: 0.1 }))
      const letter = yield* letters.take
      assertFault(letter, { reason: "expired" })
      assert.deepStrictEqual(letter.event.payload, { n: 2 })
      yield* Deferred.succeed(gate, undefined)
    }))

  test("message TTL: an event that may not wait is handled where a consumer is idle, and expires elsewhere", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("quick")
      const letters = yield* deadLetters(queue)
      const handled = yield* recorder<number>()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bus.subscribe(
            Handler.make(Subscription.make(queue, { events: [TaskDone] }), (event) => handled.push(event.payload.n))
          )
          yield* bus.publish(yield* TaskDone.event({ n: 1 }, { ttlSeconds: 0 }))
          assert.strictEqual(yield* handled.take, 1)
        })
      )
      yield* bus.publish(yield* TaskDone.event({ n: 2 }, { ttlSeconds: 0 }))
      const letter = yield* letters.take
      assert.deepStrictEqual(letter.event.payload, { n: 2 })
      assertFault(letter, { reason: "expired", attempts: 0 })
      assert.strictEqual(yield* handled.size, 0)
    }))

  test("TTL: a replayed event does not expire, however often it is put back", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const tasks = Subscription.make(queue, { events: [TaskDone], concurrency: 1, prefetch: 1 })
      yield* bus.declare(tasks)
      for (const n of [1, 2]) yield* bus.publish(yield* TaskDone.event({ n }, { ttlSeconds: 0 }))
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 2)
      const attempts = yield* bus.stream(tasks).pipe(
        Stream.zipWithIndex,
        Stream.take(22),
        // One waits in the queue while the other is held.
        Stream.mapEffect(([{ attempt, settle }, i]) =>
          Effect.as(
            Effect.andThen(Effect.sleep("20 millis"), settle(i < 20 ? Settlement.requeue : Settlement.ack)),
            attempt
          )
        ),
        Stream.runCollect,
        Effect.forkScoped
      )
      assert.strictEqual((yield* bus.deadLetters(queue).replay()).done, 2)
      const seen = yield* bounded(Fiber.join(attempts))
      assert.deepStrictEqual([...new Set(seen)], [1])
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("message TTL: without a DLQ an expired event is gone", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("quick")
      const gate = yield* Deferred.make<void>()
      const started = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(
          Subscription.make(queue, { events: [TaskDone], concurrency: 1, messageTtl: "2 seconds", deadLetter: false }),
          (event) => Effect.andThen(started.push(event.payload.n), Deferred.await(gate))
        )
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* started.take
      yield* bus.publish(yield* TaskDone.event({ n: 2 }))
      yield* eventually(messages(queue), (n) => n === 0)
      yield* Deferred.succeed(gate, undefined)
      yield* bus.publish(yield* TaskDone.event({ n: 3 }))
      assert.strictEqual(yield* started.take, 3)
    }))
})
