import { assert } from "@effect/vitest"
import { DeadLetter, EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Broken, makeDeadLetters, numbers, payloadsOf, handle, countsOf } from "./DeadLetterFixture.ts"
import { eventually } from "./Patience.ts"
import { messages, record } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, TaskDone } from "./TestEvents.ts"

export const repairSuite = suite("dead letters", (test) => {
  test("edit: delivers a dead letter again with another payload, and every other byte kept", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, [1, 2, 3])
      const [, second] = (yield* letters.peek()).letters
      assert.isDefined(second)
      const handled = yield* handle(queue)
      yield* letters.edit(second.id, { n: 42 }, TaskDone)
      const { envelope, event } = yield* handled.take
      assert.deepStrictEqual([event.eventId, event.payload.n, envelope.round], [second.id, 42, 1])
      const text = (body: Uint8Array) => new TextDecoder().decode(body)
      assert.strictEqual(text(envelope.body), text(second.envelope.body).replace('"n":2', '"n":42'))
      assert.deepStrictEqual(payloadsOf((yield* letters.peek()).letters), [1, 3])
    }))

  test("edit: a payload that the schema refuses, another type and an unknown id change nothing", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, [1])
      const id = (yield* letters.peek()).letters[0]?.id ?? ""
      const refused = yield* Effect.flip(letters.edit(id, { n: "one" }, TaskDone))
      assert.strictEqual(refused.reason._tag, "EncodeFailed")
      assert.match(refused.message, /payload\.n/)
      const stranger = yield* Effect.flip(letters.edit(id, { n: 1 }, EventType.untyped("task.failed")))
      assert.match(stranger.message, /task\.done, not task\.failed/)
      const absent = yield* Effect.flip(letters.edit("unknown", { n: 1 }))
      assert.strictEqual(absent.reason._tag, "NotFound")
      assert.include(absent.message, "unknown")
      assert.deepStrictEqual(payloadsOf((yield* letters.peek()).letters), [1])
      assert.strictEqual(yield* messages(queue), 0)
    }))

  test("edit all: delivers the selected ones edited, in one pass, and leaves those that cannot be edited", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(6), (n) =>
        Effect.fail(n === 5 ? new Broken({ n }) : new Flaky({ n }))
      )
      const handled = yield* handle(queue)
      const failures: Array<string> = []
      const result = yield* letters.editAll(
        (letter) => {
          const [n = 0] = payloadsOf([letter])
          return DeadLetter.edited(letter, n % 2 === 0 ? `{"n":${n + 40}}` : { n: "odd" }, TaskDone)
        },
        {
          reason: "Flaky",
          onFailed: ({ reason }) => Effect.sync(() => failures.push(reason._tag)),
          onTaken: (letter) => Effect.sync(() => assert.isBelow(payloadsOf([letter])[0], 6))
        }
      )
      assert.deepStrictEqual(countsOf(result), { waiting: 6, done: 3, skipped: 1, failed: 2 })
      assert.deepStrictEqual(failures, ["EncodeFailed", "EncodeFailed"])
      assert.match(result.failure?.message ?? "", /payload\.n/)
      const again = [yield* handled.take, yield* handled.take, yield* handled.take]
      assert.sameMembers(
        again.map(({ event }) => event.payload.n),
        [40, 42, 44]
      )
      assert.deepStrictEqual(payloadsOf((yield* letters.peek()).letters), [1, 3, 5])
    }))

  test("edit all: keeps the edited ones among the dead letters, at their end and with their faults", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(3))
      const before = (yield* letters.peek()).letters
      const edit = (letter: DeadLetter.DeadLetter) => DeadLetter.edited(letter, { n: payloadsOf([letter])[0] + 40 })
      const result = yield* letters.editAll(edit, { keep: true, limit: 2 })
      assert.deepInclude(countsOf(result), { waiting: 3, done: 2, failed: 0 })
      const after = (yield* letters.peek()).letters
      assert.sameMembers(payloadsOf(after), [2, 40, 41])
      assert.strictEqual(payloadsOf(after)[0], 2)
      for (const { envelope, id } of after) {
        const old = before.find((letter) => letter.id === id)
        assert.deepStrictEqual([envelope.fault, envelope.round], [old?.envelope.fault, 0])
      }
      assert.strictEqual(yield* messages(queue), 0)
    }))

  test("discard: deletes the selected dead letters, and counts them", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const fail = (n: number) => Effect.fail(n % 2 === 0 ? new Flaky({ n }) : new Broken({ n }))
      const letters = yield* makeDeadLetters(queue, numbers(70), fail)
      assert.deepStrictEqual(countsOf(yield* letters.discard({ reason: "Broken" })), {
        waiting: 70,
        done: 35,
        skipped: 35,
        failed: 0
      })
      assert.deepStrictEqual(
        payloadsOf((yield* letters.peek({ limit: 70 })).letters),
        numbers(35).map((n) => 2 * n)
      )
      assert.deepInclude(yield* letters.discard({}), { done: 35, skipped: 0 })
      assert.deepInclude(yield* letters.peek(), { looked: 0, waiting: 0 })
    }))

  test("export, discard, import: the same dead letters", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(5))
      const before = (yield* letters.peek()).letters
      const lines = before.map((letter) => JSON.stringify(DeadLetter.toJson(letter)))
      yield* letters.discard({})
      for (const line of lines) yield* letters.put(Result.getOrThrow(DeadLetter.fromJson(JSON.parse(line))))
      const after = (yield* letters.peek()).letters
      assert.deepStrictEqual(after, before)
    }))

  test("dead letters of dead letters are replayed to the dead letters, and keep their fault", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      yield* makeDeadLetters(queue, [1])
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bus.subscribe(
            Handler.make(Subscription.make(`dlq.${queue}`), () => Effect.fail(new Broken({ n: 1 }))).pipe(
              Handler.onFailure(FailurePolicy.deadLetter)
            )
          )
          yield* eventually(messages(`dlq.dlq.${queue}`), (n) => n === 1)
        })
      )
      const twice = bus.deadLetters(`dlq.${queue}`)
      assert.strictEqual((yield* twice.peek()).letters[0]?.envelope.fault?.reason, "Broken")
      yield* twice.replay()
      const [again] = (yield* bus.deadLetters(queue).peek()).letters
      assert.strictEqual(again?.envelope.fault?.reason, "Broken")
      assert.strictEqual(again?.envelope.origin?.queue, queue)
    }))

  test("an expired event has a reason and a fingerprint, and can be replayed", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("quick")
      const quick = Subscription.make(queue, { events: [TaskDone], messageTtl: "50 millis" })
      yield* Effect.scoped(record(quick))
      yield* bus.publishAll(yield* Effect.forEach([1, 2], (n) => TaskDone.event({ n })))
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 2)
      const letters = bus.deadLetters(queue)
      const { groups } = yield* letters.groups()
      assert.deepStrictEqual(
        groups.map(({ count, reason }) => [count, reason]),
        [[2, "expired"]]
      )
      const twice = [yield* letters.peek(), yield* letters.peek()]
      assert.deepStrictEqual(twice[0], twice[1])
      assert.strictEqual(twice[0]?.letters[0]?.envelope.origin?.queue, queue)
      const handled = yield* record(quick)
      // On a busy machine they expire again before it is their turn.
      yield* eventually(Effect.andThen(letters.replay(), handled.size), (n) => n === 2)
    }))
})
