import { assert } from "@effect/vitest"
import { EventBus } from "effect-eventbus"
import type { BrokerError, DeadLetters } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Broken, makeDeadLetters, numbers, payloadsOf } from "./DeadLetterFixture.ts"
import { bounded } from "./Patience.ts"
import { messages } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky } from "./TestEvents.ts"

/** Odd numbers are `Broken`, even ones `Flaky`. */
const oddOrEven = (n: number) => Effect.fail(n % 2 === 0 ? new Flaky({ n }) : new Broken({ n }))

/** Replays the even numbers, and does not end before `end` is called. The odd ones are held back until then. */
const replaying = Effect.fnUntraced(function* (letters: DeadLetters.DeadLetters) {
  const begun = yield* Deferred.make<void>()
  const ending = yield* Deferred.make<void>()
  const replay = yield* Effect.forkChild(
    letters.replay({
      reason: "Flaky",
      onProgress: () => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(ending))
    })
  )
  yield* bounded(Deferred.await(begun))
  return { end: Effect.andThen(Deferred.succeed(ending, undefined), Fiber.join(replay)) }
})

export const lookSuite = suite("dead letters", (test) => {
  test("looks at once take turns, also those of two buses: each sees all, and the order is kept", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(250))
      const bus = yield* EventBus.EventBus
      const other = yield* EventBus.make
      const looks: ReadonlyArray<Effect.Effect<DeadLetters.Scan, BrokerError.BrokerError>> = [
        letters.peek({ limit: 250 }),
        letters.groups(),
        bus.deadLetters(queue).snapshot(),
        other.deadLetters(queue).peek({ order: "newest" })
      ]
      for (const { consumers, looked, waiting } of yield* Effect.all(looks, { concurrency: "unbounded" })) {
        assert.deepStrictEqual({ consumers, looked, waiting }, { consumers: 0, looked: 250, waiting: 250 })
      }
      assert.deepStrictEqual(payloadsOf((yield* letters.peek({ limit: 250 })).letters), numbers(250))
      assert.strictEqual(yield* messages(`dlq.${queue}`), 250)
    }))

  test("a look during a replay waits for its end", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(20), oddOrEven)
      const { end } = yield* replaying(letters)
      const bus = yield* EventBus.EventBus
      const look = yield* Effect.forkChild(bus.deadLetters(queue).peek({ limit: 20 }), { startImmediately: true })
      // This one is of another queue.
      const others = yield* makeDeadLetters(yield* unique("others"), [1])
      assert.strictEqual((yield* bounded(others.peek())).waiting, 1)
      assert.strictEqual((yield* end).done, 10)
      const { letters: seen, waiting } = yield* Fiber.join(look)
      assert.strictEqual(waiting, 10)
      assert.deepStrictEqual(
        payloadsOf(seen),
        numbers(10).map((n) => 2 * n + 1)
      )
    }))

  test("a look that waits may be interrupted, and those behind it still come", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(4), oddOrEven)
      const { end } = yield* replaying(letters)
      const first = yield* Effect.forkChild(letters.peek(), { startImmediately: true })
      const second = yield* Effect.forkChild(letters.peek(), { startImmediately: true })
      yield* bounded(Fiber.interrupt(first))
      yield* end
      assert.strictEqual((yield* Fiber.join(second)).waiting, 2)
      assert.strictEqual((yield* letters.discard({})).done, 2)
    }))

  test("a look from the listener of a replay is refused, instead of waiting for ever", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, [1])
      const reasons: Array<string> = []
      const onProgress = () =>
        Effect.map(Effect.flip(letters.peek()), ({ reason }) => reasons.push(`${reason._tag}: ${reason.message}`)).pipe(
          Effect.orDie
        )
      assert.strictEqual((yield* bounded(letters.replay({ onProgress }))).done, 1)
      assert.lengthOf(reasons, 1)
      assert.match(reasons[0] ?? "", /^NotBrowsable: "dlq\..*onProgress/)
      assert.strictEqual((yield* letters.peek()).waiting, 0)
    }))

  test("an operation is a value: it may be run again", () =>
    Effect.gen(function* () {
      const letters = yield* makeDeadLetters(yield* unique("tasks"), numbers(3))
      const { groups, peek, snapshot } = {
        peek: letters.peek(),
        groups: letters.groups(),
        snapshot: letters.snapshot()
      }
      for (const _ of [1, 2]) {
        assert.deepStrictEqual(payloadsOf((yield* peek).letters), numbers(3))
        assert.deepStrictEqual(
          (yield* groups).groups.map(({ count }) => count),
          [3]
        )
        assert.lengthOf((yield* snapshot).letters, 3)
      }
    }))

  test("snapshot: all selected dead letters in their order, with their places, sizes, faults and groups", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* makeDeadLetters(queue, numbers(50), (n) =>
        Effect.fail(n % 5 === 0 ? new Broken({ n }) : new Flaky({ n }))
      )
      const { letters: peeked } = yield* letters.peek({ limit: 50 })
      const all = yield* letters.snapshot()
      assert.deepInclude(all, { looked: 50, waiting: 50, consumers: 0 })
      assert.isBelow(Math.abs(Date.now() - all.takenAt), 60_000)
      assert.deepStrictEqual(
        all.letters.map(({ letter }) => letter),
        [...peeked]
      )
      assert.deepStrictEqual(all.groups, (yield* letters.groups()).groups)
      const broken = yield* letters.snapshot({ reason: "Broken" })
      assert.deepStrictEqual(
        broken.letters.map(({ ordinal }) => ordinal),
        numbers(10).map((n) => 5 * n)
      )
      assert.deepStrictEqual(
        broken.groups.map(({ count }) => count),
        [10]
      )
      assert.deepInclude(broken, { looked: 50, waiting: 50 })
      const [first] = broken.letters
      assert.isDefined(first)
      assert.deepInclude(first, {
        id: peeked[0]?.id ?? "",
        type: "task.done",
        routingKey: "task.done.normal",
        round: 0
      })
      assert.strictEqual(first.bytes, peeked[0]?.envelope.body.length)
      assert.deepInclude(first.fault, { reason: "Broken", message: "broken at 0", attempts: 1 })
    }))

  test("snapshot: keeps whole dead letters up to a bound, the oldest first, and a summary of each", () =>
    Effect.gen(function* () {
      const letters = yield* makeDeadLetters(yield* unique("tasks"), numbers(6))
      const sizes = (yield* letters.snapshot()).letters.map(
        ({ bytes, letter }) => bytes + (letter?.envelope.fault?.stack?.length ?? 0)
      )
      const kept = Effect.fnUntraced(function* (maxBytes: number) {
        const snapshot = yield* letters.snapshot({ maxBytes })
        assert.lengthOf(snapshot.letters, 6)
        assert.isTrue(snapshot.letters.every(({ fault }) => fault !== undefined && !("stack" in fault)))
        return payloadsOf(snapshot.letters.flatMap(({ letter }) => (letter === undefined ? [] : [letter])))
      })
      const three = sizes.slice(0, 3).reduce((sum, size) => sum + size, 0)
      assert.deepStrictEqual(yield* kept(three), [0, 1, 2])
      // Of those behind the one that no longer fits, a smaller one may.
      assert.deepStrictEqual((yield* kept(three - 1)).slice(0, 2), [0, 1])
      assert.notInclude(yield* kept(three - 1), 2)
      assert.deepStrictEqual(yield* kept(0), [])
      assert.throws(() => letters.snapshot({ maxBytes: -1 }), /maxBytes.*at least 0, not -1/)
    }))
})
