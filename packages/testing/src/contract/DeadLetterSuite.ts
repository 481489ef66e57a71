import { assert } from "@effect/vitest"
import { EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as Effect from "effect/Effect"
import { eventually } from "./Patience.ts"
import { assertFault, deadLetters, messages, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone, TaskFailed } from "./TestEvents.ts"

const encoder = new TextEncoder()

export const deadLetterSuite = suite("failing", (test) => {
  test("without DLQ: an event that cannot be handled is retried, then discarded, and the consumer continues", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* recorder<readonly [number, number]>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], deadLetter: false }), (event, { attempt }) =>
          Effect.andThen(
            seen.push([event.payload.n, attempt]),
            event.payload.n === 1 ? Effect.fail(new Flaky({ n: 1 })) : Effect.void
          )
        ).pipe(Handler.onFailure(soon(1)))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.deepStrictEqual(yield* seen.takeN(2), [
        [1, 1],
        [1, 2]
      ])
      yield* bus.publish(yield* TaskDone.event({ n: 2 }))
      assert.deepStrictEqual(yield* seen.take, [2, 1])
      assert.strictEqual(yield* messages(`dlq.${queue}`), -1)
    }))

  test("DLQ monitoring: the number of dead letters is known without consuming them", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), () => Effect.fail(new Flaky({ n: 1 }))).pipe(
          Handler.onFailure(FailurePolicy.deadLetter)
        )
      )
      yield* bus.publishAll(yield* Effect.forEach([1, 2, 3], (n) => TaskDone.event({ n })))
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 3)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 3)
    }))

  test("DLQ processing: a subscription to dlq.{queue} gets that queue's dead letters and no live events", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const others = yield* deadLetters(yield* unique("others"))
      const live = yield* record(Subscription.make(yield* unique("others"), { patterns: ["#"] }))
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone, TaskFailed] }), (event) =>
          event.eventType === "task.failed" ? Effect.fail(new Flaky({ n: 1 })) : Effect.void
        ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* bus.publish(yield* TaskFailed.event({ why: "dead" }))
      assert.strictEqual((yield* letters.take).event.eventType, "task.failed")
      yield* live.takeN(2)
      assert.strictEqual(yield* letters.size, 0)
      assert.strictEqual(yield* others.size, 0)
    }))

  test("DLQ processing: a handler of dead letters may fail too, with attempts of its own", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const attempts = yield* recorder<readonly [number, number]>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), () => Effect.fail(new Flaky({ n: 1 }))).pipe(
          Handler.onFailure(soon(2))
        )
      )
      const lost = yield* deadLetters(`dlq.${queue}`)
      yield* bus.subscribe(
        Handler.make(Subscription.make(`dlq.${queue}`, { events: [TaskDone] }), (event, { attempt }) =>
          Effect.andThen(attempts.push([attempt, event.retryCount]), Effect.fail("still no"))
        ).pipe(Handler.onFailure(soon(1)))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.deepStrictEqual(yield* attempts.takeN(2), [
        [1, 2],
        [2, 2]
      ])
      assertFault(yield* lost.take, { reason: "Failure", attempts: 2, message: /still no/ })
    }))

  test("fault fields are bounded, and free of credentials", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), () =>
          Effect.die(new RangeError(`cannot reach amqp://bus:s3cret@host/ ${"é".repeat(100_000)}`))
        ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      const { fault } = (yield* letters.take).envelope
      assert.isDefined(fault)
      assert.notInclude(JSON.stringify(fault), "s3cret")
      assert.isAtMost(encoder.encode(fault.message).length, 2048)
      assert.isAtMost(encoder.encode(fault.stack ?? "").length, 8192)
    }))
})
