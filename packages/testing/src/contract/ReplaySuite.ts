import { assert } from "@effect/vitest"
import { DeadLetter, EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Broken, makeDeadLetters, deadLetterOf, numbers, payloadsOf, handle, countsOf } from "./DeadLetterFixture.ts"
import { eventually } from "./Patience.ts"
import { messages, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone } from "./TestEvents.ts"

export const replaySuite = suite("dead letters", (test) => {
  test("replay: delivers dead letters again, as a first attempt, with their round counted and every byte kept", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const copy = yield* record(Subscription.make(yield* unique("copy"), { events: [TaskDone] }))
      const letters = bus.deadLetters(queue)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bus.subscribe(
            Handler.make(Subscription.make(queue, { events: [TaskDone] }), () => Effect.fail(new Flaky({ n: 0 }))).pipe(
              Handler.onFailure(soon(1))
            )
          )
          const event = yield* TaskDone.event({ n: 7 }, { priority: "high" })
          yield* bus.publish(
            { ...event, extensions: { x_unknown: { kept: [1.5, null, "✓"] } } },
            { routingKey: "task.done.7" }
          )
          yield* eventually(messages(`dlq.${queue}`), (n) => n === 1)
        })
      )
      const original = yield* copy.take
      assert.strictEqual((yield* letters.peek()).letters[0]?.envelope.fault?.attempts, 2)
      const handled = yield* handle(queue)
      assert.deepStrictEqual(countsOf(yield* letters.replay()), { waiting: 1, done: 1, skipped: 0, failed: 0 })
      const { attempt, envelope, event, redelivered } = yield* handled.take
      assert.deepStrictEqual([attempt, event.retryCount, redelivered], [1, 0, false])
      assert.deepStrictEqual([envelope.round, envelope.fault], [1, undefined])
      assert.deepStrictEqual(
        [envelope.id, envelope.routingKey, envelope.priority],
        [original.envelope.id, "task.done.7", "high"]
      )
      assert.strictEqual(new TextDecoder().decode(envelope.body), new TextDecoder().decode(original.envelope.body))
      assert.strictEqual(yield* copy.size, 0)
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("replay: an event that fails again becomes a dead letter with its round, and one replay takes it once", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(20))
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), ({ payload: { n } }) =>
          Effect.fail(new Flaky({ n }))
        ).pipe(Handler.onFailure(FailurePolicy.tags({ Flaky: FailurePolicy.deadLetter })))
      )
      for (const round of [1, 2]) {
        assert.deepStrictEqual(countsOf(yield* letters.replay()), { waiting: 20, done: 20, skipped: 0, failed: 0 })
        yield* eventually(messages(`dlq.${queue}`), (n) => n === 20)
        const peeked = yield* letters.peek({ limit: 20 })
        assert.deepStrictEqual(
          peeked.letters.map(({ envelope }) => [envelope.round, envelope.fault?.attempts]),
          numbers(20).map(() => [round, 1])
        )
      }
    }))

  test("replay: only the selected dead letters, up to a limit; the others stay in their order", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const fail = (n: number) => Effect.fail(n % 2 === 0 ? new Flaky({ n }) : new Broken({ n }))
      const letters = yield* makeDeadLetters(queue, numbers(100), fail)
      const handled = yield* handle(queue)
      const counts = countsOf(yield* letters.replay({ reason: "Flaky", limit: 30 }))
      assert.deepInclude(counts, { waiting: 100, done: 30, failed: 0 })
      assert.isAtLeast(counts.skipped, 29)
      const replayed = (yield* handled.takeN(30)).map(({ event }) => event.payload.n)
      assert.deepStrictEqual(
        replayed.toSorted((a, b) => a - b),
        numbers(30).map((n) => 2 * n)
      )
      const left = numbers(100).filter((n) => n % 2 === 1 || n >= 60)
      assert.deepStrictEqual(payloadsOf((yield* letters.peek({ limit: 100 })).letters), left)
    }))

  test("replay: reports its progress after each dead letter, and keeps to a rate", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(6))
      const progress: Array<number> = []
      const since = Date.now()
      yield* letters.replay({ rate: 20, onProgress: ({ done }) => Effect.sync(() => progress.push(done)) })
      assert.isAtLeast(Date.now() - since, 240)
      assert.deepStrictEqual(progress, [1, 2, 3, 4, 5, 6])
    }))

  test("replay: an interruption leaves every dead letter once, either in its queue or where it was", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(150))
      const begun = yield* Deferred.make<void>()
      let done = 0
      const replay = yield* Effect.forkChild(
        letters.replay({
          onProgress: (tally) => {
            done = tally.done
            return Deferred.succeed(begun, undefined)
          }
        })
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(replay)
      const handled = yield* handle(queue)
      const left = payloadsOf((yield* letters.peek({ limit: 150 })).letters)
      const replayed = (yield* handled.takeN(150 - left.length)).map(({ event }) => event.payload.n)
      assert.isAtLeast(replayed.length, 1)
      assert.strictEqual(done, replayed.length, "the last tally knows what was in flight")
      assert.deepStrictEqual(
        [...replayed, ...left].toSorted((a, b) => a - b),
        numbers(150)
      )
      assert.strictEqual(yield* handled.size, 0)
    }))

  test("replay: an event whose time to live is long over is retried like any other", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, [1], undefined, {
        timestamp: DateTime.makeUnsafe(0),
        ttlSeconds: 60
      })
      const attempts = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), (_, { attempt }) =>
          Effect.andThen(attempts.push(attempt), attempt < 3 ? Effect.fail(new Flaky({ n: 1 })) : Effect.void)
        ).pipe(Handler.onFailure(soon(5)))
      )
      yield* letters.replay()
      assert.deepStrictEqual(yield* attempts.takeN(3), [1, 2, 3])
    }))

  test("replay: without the queue nothing is lost, and the result tells why it stopped", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("nowhere")
      yield* Effect.scoped(record(Subscription.make(`dlq.${queue}`)))
      const event = yield* TaskDone.event({ n: 1 })
      yield* Effect.replicateEffect(bus.deadLetters(queue).put(deadLetterOf(event)), 3)
      const { done, failed, failure } = yield* bus.deadLetters(queue).replay()
      assert.strictEqual(done, 0)
      assert.isAtLeast(failed, 1)
      assert.strictEqual(failure?.reason._tag, "Unroutable")
      assert.strictEqual(failure?.eventId, event.eventId)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 3)
    }))

  test("replay: a body that is not an event keeps its bytes", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      yield* Effect.scoped(handle(queue))
      const body = new Uint8Array([0xff, 0x00, 0x7b, 0x22])
      const { envelope } = deadLetterOf(yield* TaskDone.event({ n: 1 }))
      const letters = bus.deadLetters(queue)
      yield* letters.put(DeadLetter.fromEnvelope({ ...envelope, body }))
      const before = (yield* letters.peek()).letters[0]
      yield* letters.replay()
      yield* Effect.scoped(
        Effect.andThen(
          handle(queue),
          eventually(messages(`dlq.${queue}`), (n) => n === 1)
        )
      )
      const after = (yield* letters.peek()).letters[0]
      assert.deepStrictEqual([...(after?.envelope.body ?? [])], [...body])
      assert.deepInclude(after?.envelope.fault, { reason: "InvalidUtf8", attempts: 0 })
      assert.strictEqual(after?.envelope.round, 1)
      assert.strictEqual(after?.id, before?.id)
    }))
})
