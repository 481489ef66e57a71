import { assert } from "@effect/vitest"
import {
  DeadLetter,
  EventBus,
  EventCodec,
  EventType,
  FailurePolicy,
  Fault,
  Handler,
  QueueSpec,
  Subscription
} from "effect-eventbus"
import type { DeadLetters, Event } from "effect-eventbus"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { eventually } from "./Patience.ts"
import { messages, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone } from "./TestEvents.ts"

class Broken extends Schema.TaggedError<Broken>()("Broken", { n: Schema.Int }) {
  override get message() {
    return `broken at ${this.n}`
  }
}

const numbers = (n: number) => Array.from({ length: n }, (_, i) => i)

const payloadsOf = (letters: ReadonlyArray<DeadLetter.DeadLetter>) =>
  letters.map(({ envelope }) => JSON.parse(new TextDecoder().decode(envelope.body)).payload.n)

/** A letter as somebody exported it. */
const letterOf = (event: Event.Event): DeadLetter.DeadLetter =>
  DeadLetter.fromEnvelope({
    ...Result.getOrThrow(
      EventCodec.toEnvelope(event, { routingKey: "task.done.normal", persistent: true, traceparent: undefined })
    ),
    fault: Fault.make({ reason: "Flaky", message: "failed", attempts: 1, now: 1000 })
  })

/** Makes dead letters: of every event in `ns`, in that order. Afterwards nobody consumes the queue. */
const die = Effect.fnUntraced(function* (
  queue: string,
  ns: ReadonlyArray<number>,
  fail: (n: number) => Effect.Effect<never, Flaky | Broken> = (n) => Effect.fail(new Flaky({ n })),
  options?: Parameters<(typeof TaskDone)["event"]>[1]
) {
  const bus = yield* EventBus.EventBus
  const before = Math.max(0, yield* messages(QueueSpec.deadLetterQueueOf(queue)))
  yield* Effect.scoped(
    Effect.gen(function* () {
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], concurrency: 1 }), ({ payload: { n } }) =>
          fail(n)
        ).pipe(
          Handler.onFailure(FailurePolicy.tags({ Flaky: FailurePolicy.deadLetter, Broken: FailurePolicy.deadLetter }))
        )
      )
      yield* bus.publishAll(yield* Effect.forEach(ns, (n) => TaskDone.event({ n }, options)))
      yield* eventually(messages(QueueSpec.deadLetterQueueOf(queue)), (n) => n === before + ns.length)
    })
  )
  return bus.deadLetters(queue)
})

/** Handles what a queue gets, and keeps it. */
const revive = (queue: string) => record(Subscription.make(queue, { events: [TaskDone], concurrency: 10 }))

const tally = ({ done, failed, skipped, waiting }: DeadLetters.ReplayResult) => ({ waiting, done, skipped, failed })

export const mending = suite("dead letters", (test) => {
  test("peek: the oldest 10 in their order, how many were looked at, and how many wait", () =>
    Effect.gen(function* () {
      const letters = yield* die(yield* unique("tasks"), numbers(15))
      const peeked = yield* letters.peek()
      assert.deepStrictEqual(payloadsOf(peeked.letters), numbers(10))
      assert.deepInclude(peeked, { looked: 10, waiting: 15 })
    }))

  test("peek: the newest, in the same order", () =>
    Effect.gen(function* () {
      const letters = yield* die(yield* unique("tasks"), numbers(15))
      const peeked = yield* letters.peek({ order: "newest", limit: 3 })
      assert.deepStrictEqual(payloadsOf(peeked.letters), [12, 13, 14])
      assert.deepInclude(peeked, { looked: 15, waiting: 15 })
    }))

  test("peek: whatever part of them was looked at before, they stay, and stay in order", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* die(queue, numbers(120))
      for (const limit of [3, 50, 1, 33, 120, 64, 2]) {
        assert.deepStrictEqual(payloadsOf((yield* letters.peek({ limit })).letters), numbers(limit))
      }
      assert.strictEqual(yield* messages(`dlq.${queue}`), 120)
    }))

  test("peek: says why an event is a dead letter, where and when it failed, and how to tell its like", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* die(queue, [1])
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
      assert.match(fault.stack ?? "", /ReplaySuite\.[jt]s/)
      assert.isAtMost(fault.firstFailedAt, fault.lastFailedAt)
      assert.isBelow(Math.abs(Date.now() - fault.lastFailedAt), 60_000)
    }))

  test("peek: what is selected by id, type, reason, fingerprint, age and text", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const fail = (n: number) => Effect.fail(n % 2 === 0 ? new Flaky({ n }) : new Broken({ n }))
      const letters = yield* die(queue, numbers(6), fail)
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

  test("peek: a bound on what is held at once tells how far the look went", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      yield* die(queue, numbers(60))
      const bus = yield* EventBus.EventBus
      const peeked = yield* bus.deadLetters(queue, { maxHeld: 40 }).peek({ order: "newest", limit: 2 })
      assert.deepStrictEqual(payloadsOf(peeked.letters), [38, 39])
      assert.deepInclude(peeked, { looked: 40, waiting: 60 })
    }))

  test("groups: by fingerprint, the most frequent first, with a sample", () =>
    Effect.gen(function* () {
      const fail = (n: number) => Effect.fail(n % 3 === 0 ? new Broken({ n }) : new Flaky({ n }))
      const letters = yield* die(yield* unique("tasks"), numbers(50), fail)
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

  test("replay: delivers them anew, as on a first attempt, with their round counted and every byte kept", () =>
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
      const handled = yield* revive(queue)
      assert.deepStrictEqual(tally(yield* letters.replay()), { waiting: 1, done: 1, skipped: 0, failed: 0 })
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

  test("replay: what fails again comes back with its round, and is not taken twice by one replay", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* die(queue, numbers(20))
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), ({ payload: { n } }) =>
          Effect.fail(new Flaky({ n }))
        ).pipe(Handler.onFailure(FailurePolicy.tags({ Flaky: FailurePolicy.deadLetter })))
      )
      for (const round of [1, 2]) {
        assert.deepStrictEqual(tally(yield* letters.replay()), { waiting: 20, done: 20, skipped: 0, failed: 0 })
        yield* eventually(messages(`dlq.${queue}`), (n) => n === 20)
        const peeked = yield* letters.peek({ limit: 20 })
        assert.deepStrictEqual(
          peeked.letters.map(({ envelope }) => [envelope.round, envelope.fault?.attempts]),
          numbers(20).map(() => [round, 1])
        )
      }
    }))

  test("replay: only what is selected, up to a limit; the others stay in their order", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const fail = (n: number) => Effect.fail(n % 2 === 0 ? new Flaky({ n }) : new Broken({ n }))
      const letters = yield* die(queue, numbers(100), fail)
      const handled = yield* revive(queue)
      const counts = tally(yield* letters.replay({ reason: "Flaky", limit: 30 }))
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

  test("replay: tells its progress after each letter, and never more than a number a second", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* die(queue, numbers(6))
      const progress: Array<number> = []
      const since = Date.now()
      yield* letters.replay({ rate: 20, onProgress: ({ done }) => Effect.sync(() => progress.push(done)) })
      assert.isAtLeast(Date.now() - since, 240)
      assert.deepStrictEqual(progress, [1, 2, 3, 4, 5, 6])
    }))

  test("replay: one that is interrupted leaves every letter either in its queue or where it was, once", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* die(queue, numbers(150))
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
      const handled = yield* revive(queue)
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

  test("replay: an event that outlived its time to live long ago is retried like any other", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* die(queue, [1], undefined, { timestamp: DateTime.makeUnsafe(0), ttlSeconds: 60 })
      const attempts = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), (_, { attempt }) =>
          Effect.andThen(attempts.push(attempt), attempt < 3 ? Effect.fail(new Flaky({ n: 1 })) : Effect.void)
        ).pipe(Handler.onFailure(soon(5)))
      )
      yield* letters.replay()
      assert.deepStrictEqual(yield* attempts.takeN(3), [1, 2, 3])
    }))

  test("replay: without the queue nothing is lost, and the tally says why it stopped", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("nowhere")
      yield* Effect.scoped(record(Subscription.make(`dlq.${queue}`)))
      const event = yield* TaskDone.event({ n: 1 })
      yield* Effect.replicateEffect(bus.deadLetters(queue).put(letterOf(event)), 3)
      const { done, failed, failure } = yield* bus.deadLetters(queue).replay()
      assert.strictEqual(done, 0)
      assert.isAtLeast(failed, 1)
      assert.strictEqual(failure?.reason._tag, "Unroutable")
      assert.strictEqual(failure?.eventId, event.eventId)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 3)
    }))

  test("replay: a body that is no event keeps its bytes", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      yield* Effect.scoped(revive(queue))
      const body = new Uint8Array([0xff, 0x00, 0x7b, 0x22])
      const { envelope } = letterOf(yield* TaskDone.event({ n: 1 }))
      const letters = bus.deadLetters(queue)
      yield* letters.put(DeadLetter.fromEnvelope({ ...envelope, body }))
      const before = (yield* letters.peek()).letters[0]
      yield* letters.replay()
      yield* Effect.scoped(
        Effect.andThen(
          revive(queue),
          eventually(messages(`dlq.${queue}`), (n) => n === 1)
        )
      )
      const after = (yield* letters.peek()).letters[0]
      assert.deepStrictEqual([...(after?.envelope.body ?? [])], [...body])
      assert.deepInclude(after?.envelope.fault, { reason: "InvalidUtf8", attempts: 0 })
      assert.strictEqual(after?.envelope.round, 1)
      assert.strictEqual(after?.id, before?.id)
    }))

  test("edit: delivers a letter anew with another payload, and every other byte kept", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* die(queue, [1, 2, 3])
      const [, second] = (yield* letters.peek()).letters
      assert.isDefined(second)
      const handled = yield* revive(queue)
      yield* letters.edit(second.id, { n: 42 }, TaskDone)
      const { envelope, event } = yield* handled.take
      assert.deepStrictEqual([event.eventId, event.payload.n, envelope.round], [second.id, 42, 1])
      const text = (body: Uint8Array) => new TextDecoder().decode(body)
      assert.strictEqual(text(envelope.body), text(second.envelope.body).replace('"n":2', '"n":42'))
      assert.deepStrictEqual(payloadsOf((yield* letters.peek()).letters), [1, 3])
    }))

  test("edit: what the schema refuses, what is of another type and what is not there, changes nothing", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* die(queue, [1])
      const id = (yield* letters.peek()).letters[0]?.id ?? ""
      const refused = yield* Effect.flip(letters.edit(id, { n: "one" }, TaskDone))
      assert.strictEqual(refused.reason._tag, "EncodeFailed")
      assert.match(refused.message, /payload\.n/)
      const stranger = yield* Effect.flip(letters.edit(id, { n: 1 }, EventType.untyped("task.failed")))
      assert.match(stranger.message, /task\.done, not task\.failed/)
      const absent = yield* Effect.flip(letters.edit("nobody", { n: 1 }))
      assert.strictEqual(absent.reason._tag, "NotFound")
      assert.include(absent.message, "nobody")
      assert.deepStrictEqual(payloadsOf((yield* letters.peek()).letters), [1])
      assert.strictEqual(yield* messages(queue), 0)
    }))

  test("discard: lets go of what is selected, and counts it", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const fail = (n: number) => Effect.fail(n % 2 === 0 ? new Flaky({ n }) : new Broken({ n }))
      const letters = yield* die(queue, numbers(70), fail)
      assert.deepStrictEqual(tally(yield* letters.discard({ reason: "Broken" })), {
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

  test("export, discard, import: the same letters", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* die(queue, numbers(5))
      const before = (yield* letters.peek()).letters
      const lines = before.map((letter) => JSON.stringify(DeadLetter.toJson(letter)))
      yield* letters.discard({})
      for (const line of lines) yield* letters.put(Result.getOrThrow(DeadLetter.fromJson(JSON.parse(line))))
      const after = (yield* letters.peek()).letters
      assert.deepStrictEqual(after, before)
    }))

  test("dead letters of dead letters go back among the dead letters, and go on saying why", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      yield* die(queue, [1])
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

  test("an event that expired says so, has a fingerprint, and can be replayed", () =>
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
      yield* letters.replay()
      yield* handled.takeN(2)
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

  test("what cannot be meant is a RangeError", () =>
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
