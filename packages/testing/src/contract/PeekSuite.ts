import { assert } from "@effect/vitest"
import { EventBus } from "effect-eventbus"
import * as Effect from "effect/Effect"
import { Broken, makeDeadLetters, numbers, payloadsOf } from "./DeadLetterFixture.ts"
import { messages } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky } from "./TestEvents.ts"

export const peekSuite = suite("dead letters", (test) => {
  test("peek: the oldest 10 in their order, how many were looked at, and how many wait", () =>
    Effect.gen(function* () {
      const letters = yield* makeDeadLetters(yield* unique("tasks"), numbers(15))
      const peeked = yield* letters.peek()
      assert.deepStrictEqual(payloadsOf(peeked.letters), numbers(10))
      assert.deepInclude(peeked, { looked: 10, waiting: 15 })
    }))

  test("peek: the newest, in the same order", () =>
    Effect.gen(function* () {
      const letters = yield* makeDeadLetters(yield* unique("tasks"), numbers(15))
      const peeked = yield* letters.peek({ order: "newest", limit: 3 })
      assert.deepStrictEqual(payloadsOf(peeked.letters), [12, 13, 14])
      assert.deepInclude(peeked, { looked: 15, waiting: 15 })
    }))

  test("peek: dead letters stay in their queue and in their order, however many were looked at before", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(120))
      for (const limit of [3, 50, 1, 33, 120, 64, 2]) {
        assert.deepStrictEqual(payloadsOf((yield* letters.peek({ limit })).letters), numbers(limit))
      }
      assert.strictEqual(yield* messages(`dlq.${queue}`), 120)
    }))

  test("peek: tells why an event is a dead letter, where and when it failed, and its fingerprint", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, [1])
      const [letter] = (yield* letters.peek()).letters
      assert.isDefined(letter)
      const { envelope, id, type } = letter
      assert.strictEqual(type, "task.done")
      assert.strictEqual(id, envelope.id)
      assert.strictEqual(envelope.routingKey, "task.done.normal")
      assert.strictEqual(envelope.round, 0)
      assert.strictEqual(envelope.origin?.queue, queue)
      const { fault } = envelope
      assert.isDefined(fault)
      assert.deepInclude(fault, { reason: "Flaky", message: "failed at 1", attempts: 1 })
      assert.match(fault.fingerprint, /^[0-9a-f]{12}$/)
      assert.match(fault.stack ?? "", /DeadLetterFixture\.[jt]s/)
      assert.isAtMost(fault.firstFailedAt, fault.lastFailedAt)
      assert.isBelow(Math.abs(Date.now() - fault.lastFailedAt), 60_000)
    }))

  test("peek: filters by id, type, reason, fingerprint, age and text", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const fail = (n: number) => Effect.fail(n % 2 === 0 ? new Flaky({ n }) : new Broken({ n }))
      const letters = yield* makeDeadLetters(queue, numbers(6), fail)
      const all = (yield* letters.peek()).letters
      const select = (selection: Parameters<typeof letters.peek>[0]) =>
        Effect.map(letters.peek(selection), ({ letters }) => payloadsOf(letters))
      assert.deepStrictEqual(yield* select({ ids: [all[4]?.id ?? "", all[1]?.id ?? ""] }), [1, 4])
      assert.deepStrictEqual(yield* select({ idPrefix: all[3]?.id.slice(0, 13) }), [3])
      assert.deepStrictEqual(yield* select({ type: "task.done" }), numbers(6))
      assert.deepStrictEqual(yield* select({ type: "task.failed" }), [])
      assert.deepStrictEqual(yield* select({ reason: "Broken" }), [1, 3, 5])
      assert.deepStrictEqual(yield* select({ fingerprint: all[0]?.envelope.fault?.fingerprint }), [0, 2, 4])
      assert.deepStrictEqual(yield* select({ newerThan: "1 hour" }), numbers(6))
      assert.deepStrictEqual(yield* select({ olderThan: "1 hour" }), [])
      assert.deepStrictEqual(yield* select({ text: "BROKEN AT 3" }), [3])
      assert.deepStrictEqual(yield* select({ text: '"n":4' }), [4])
      assert.deepStrictEqual(yield* select({ text: '"n":4', reason: "Broken" }), [])
    }))

  test("peek: with a limit on the messages held at once, the result tells how many were looked at", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      yield* makeDeadLetters(queue, numbers(60))
      const bus = yield* EventBus.EventBus
      const peeked = yield* bus.deadLetters(queue, { maxHeld: 40 }).peek({ order: "newest", limit: 2 })
      assert.deepStrictEqual(payloadsOf(peeked.letters), [38, 39])
      assert.deepInclude(peeked, { looked: 40, waiting: 60 })
    }))

  test("groups: by fingerprint, the most frequent first, with a sample", () =>
    Effect.gen(function* () {
      const fail = (n: number) => Effect.fail(n % 3 === 0 ? new Broken({ n }) : new Flaky({ n }))
      const letters = yield* makeDeadLetters(yield* unique("tasks"), numbers(50), fail)
      const { groups, looked, waiting } = yield* letters.groups()
      assert.deepStrictEqual(
        groups.map(({ count, reason, sample, type }) => [count, reason, type, sample.message]),
        [
          [33, "Flaky", "task.done", "failed at 1"],
          [17, "Broken", "task.done", "broken at 0"]
        ]
      )
      assert.deepStrictEqual([looked, waiting], [50, 50])
      const [flaky] = groups
      assert.isAtMost(flaky?.first ?? NaN, flaky?.last ?? NaN)
      const sample = yield* letters.peek({ ids: [flaky?.sample.id ?? ""] })
      assert.strictEqual(sample.letters[0]?.envelope.fault?.fingerprint, flaky?.fingerprint)
    }))

  test("a queue without dead letters is a NotFound that names it", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("nowhere")
      const error = yield* Effect.flip(bus.deadLetters(queue).peek())
      assert.strictEqual(error.reason._tag, "NotFound")
      assert.include(error.message, `dlq.${queue}`)
      assert.strictEqual(yield* messages(`dlq.${queue}`), -1)
    }))

  test("an impossible name or option is a RangeError", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      assert.throws(() => bus.deadLetters("no such name"), RangeError)
      assert.throws(() => bus.deadLetters("tasks", { maxHeld: 0 }), /maxHeld.*not 0/)
      for (const limit of [0, 1.5, NaN]) {
        assert.throws(() => bus.deadLetters("tasks").peek({ limit }), RangeError)
        assert.throws(() => bus.deadLetters("tasks").discard({ limit }), RangeError)
      }
      assert.throws(() => bus.deadLetters("tasks").replay({ rate: 0 }), RangeError)
    }))
})
