import { assert } from "@effect/vitest"
import { Broker, EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { handling, numbersOf, ordered, parked, publish } from "./OrderedFixture.ts"
import { bounded, eventually } from "./Patience.ts"
import { messages, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, TaskDone } from "./TestEvents.ts"

export const orderedSuite = suite("ordered keys", (test) => {
  test("events of a key are handled one at a time and in order, and other keys beside them", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const gate = yield* Deferred.make<void>()
      const entered = yield* recorder<number>()
      const { handled, handler, has, of } = yield* handling(queue, {
        entering: (n) => Effect.andThen(entered.push(n), n === 1 ? Deferred.await(gate) : Effect.void)
      })
      yield* bus.subscribe(handler)
      yield* publish(1, 11, 2, 21, 12, 31, 22)
      yield* has(2, 12, 22)
      assert.deepStrictEqual(of(1, handled), [])
      assert.sameMembers(yield* entered.takeN(4), [1, 2, 12, 22])
      yield* Deferred.succeed(gate, undefined)
      yield* has(31)
      assert.deepStrictEqual(of(1), [1, 11, 21, 31])
      assert.deepStrictEqual(of(2), [2, 12, 22])
      yield* eventually(messages(queue), (n) => n === 0)
    }))

  test("an event that cannot be handled parks its key: it and all later ones are dead letters, in their order", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const { attempts, broken, handler, has } = yield* handling(queue)
      broken.add(11)
      yield* bus.subscribe(handler)
      yield* publish(1, 2, 11, 12, 21, 31, 22)
      yield* has(1, 2, 12, 22)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 3)
      yield* publish(41, 32)
      yield* has(32)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 4)
      const { letters } = yield* parked(queue)
      assert.deepStrictEqual(numbersOf(letters), [11, 21, 31, 41])
      const [first, ...others] = letters.map(({ envelope, id }) => ({ ...envelope, id }))
      assert.deepStrictEqual(
        [first?.key, first?.behind, first?.fault?.reason, first?.fault?.attempts],
        ["k1", undefined, "Flaky", 2]
      )
      for (const { behind, fault, key } of others) {
        assert.deepStrictEqual([key, behind, fault?.reason], ["k1", first?.id, "parked"])
      }
      assert.notInclude(attempts, 21)
    }))

  test("a replay of a key handles its dead letters in their order, and lets it flow again", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const { broken, handler, has, of } = yield* handling(queue)
      broken.add(1).add(2)
      yield* bus.subscribe(handler)
      yield* publish(1, 11, 21, 2, 12)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 5)
      broken.clear()
      const { done, skipped } = yield* bus.deadLetters(queue).replay({ key: "k1" })
      assert.deepStrictEqual({ done, skipped }, { done: 3, skipped: 2 })
      yield* publish(31, 41)
      yield* has(1, 11, 21, 31, 41)
      assert.deepStrictEqual(of(1), [1, 11, 21, 31, 41])
      assert.deepStrictEqual(of(2), [])
      yield* eventually(
        Effect.map(parked(queue), ({ letters }) => numbersOf(letters).join()),
        (left) => left === "2,12"
      )
      yield* bus.deadLetters(queue).replay()
      yield* publish(22)
      yield* has(22)
      assert.deepStrictEqual(of(2), [2, 12, 22])
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 0)
      yield* eventually(messages(queue), (n) => n === 0)
    }))

  test("dead letters are handled in the order of their key, however a broker keeps them", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const broker = yield* Broker.Broker
      const queue = yield* unique("ordered")
      const { broken, handler, has, of } = yield* handling(queue)
      broken.add(1)
      yield* bus.subscribe(handler)
      yield* publish(1, 11, 21, 31)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 4)
      const envelopes = yield* Effect.scoped(
        Effect.gen(function* () {
          const { take } = yield* broker.browse(`dlq.${queue}`)
          return yield* Effect.forEach(yield* take(4), ({ envelope, remove }) => Effect.as(remove, envelope))
        })
      )
      yield* Effect.forEach([2, 0, 3, 1], (at) => broker.put(`dlq.${queue}`, { ...envelopes[at]! }))
      broken.clear()
      yield* bus.deadLetters(queue).replay({ key: "k1" })
      yield* has(1, 11, 21, 31)
      assert.deepStrictEqual(of(1), [1, 11, 21, 31])
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 0)
    }))

  test("a replay that fails again leaves the dead letters of the key in their order, with what came meanwhile", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const { broken, handler, has, of } = yield* handling(queue)
      broken.add(1).add(21)
      yield* bus.subscribe(handler)
      yield* publish(1, 11, 21, 31)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 4)
      broken.delete(1)
      yield* bus.deadLetters(queue).replay({ key: "k1" })
      yield* publish(41)
      yield* has(1, 11)
      yield* eventually(
        Effect.map(parked(queue, "k1"), ({ letters }) => numbersOf(letters).join()),
        (left) => left === "21,31,41"
      )
      // A later one alone cannot go before the first.
      const [, second] = (yield* parked(queue)).letters
      assert.deepInclude(yield* bus.deadLetters(queue).replay({ ids: [second?.id ?? ""] }), { done: 0, skipped: 3 })
      broken.clear()
      yield* bus.deadLetters(queue).replay({ key: "k1" })
      yield* has(41)
      assert.deepStrictEqual(of(1), [1, 11, 21, 31, 41])
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 0)
    }))

  test("one consumer works and another stands by: it takes over in order, and knows what is parked", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const gate = yield* Deferred.make<void>()
      const first = yield* handling(queue, {
        entering: (n) => (n === 12 ? Deferred.await(gate) : Effect.void),
        drainTimeout: "10 millis"
      })
      const second = yield* handling(queue)
      first.broken.add(1)
      const running = yield* bus.subscribe(first.handler)
      yield* bus.subscribe(second.handler)
      yield* publish(1, 11, 2, 12, 22, 3)
      yield* first.has(2, 3)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 2)
      assert.deepStrictEqual(second.attempts, [])
      yield* publish(21, 32)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 3)
      yield* bounded(running.stop)
      yield* second.has(12, 22, 32)
      yield* publish(31, 42)
      yield* second.has(42)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 4)
      assert.deepStrictEqual(second.handled, [12, 22, 32, 42])
      assert.deepStrictEqual(numbersOf((yield* parked(queue)).letters), [1, 11, 21, 31])
      yield* bus.deadLetters(queue).replay({ key: "k1" })
      yield* second.has(31)
      assert.deepStrictEqual(second.of(1), [1, 11, 21, 31])
    }))

  test("a consumer that works again knows what another one has parked meanwhile", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const first = yield* handling(queue)
      const second = yield* handling(queue, { times: 0 })
      second.broken.add(11)
      const a = yield* bus.subscribe(first.handler)
      yield* publish(1)
      yield* first.has(1)
      const b = yield* bus.subscribe(second.handler)
      yield* a.pause()
      yield* publish(11, 21, 2)
      yield* second.has(2)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 2)
      yield* a.resume
      yield* bounded(b.stop)
      yield* publish(31, 12)
      yield* first.has(12)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 3)
      assert.deepStrictEqual(first.handled, [1, 12])
      assert.deepStrictEqual(numbersOf((yield* parked(queue)).letters), [11, 21, 31])
    }))

  test("what is given back at a stop comes again in its order, however much it is", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const numbers = Array.from({ length: 80 }, (_, i) => 10 * (i + 1))
      const options = { prefetch: 70, drainTimeout: "10 millis" } as const
      const first = yield* handling(queue, { ...options, entering: () => Effect.never })
      const running = yield* bus.subscribe(first.handler)
      yield* publish(...numbers)
      yield* eventually(messages(queue), (n) => n === 10)
      yield* bounded(running.stop)
      const second = yield* handling(queue, options)
      yield* bus.subscribe(second.handler)
      yield* second.has(800)
      assert.deepStrictEqual(second.handled, numbers)
    }))

  test("a pause and a stop keep the order", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const gate = yield* Deferred.make<void>()
      const { attempts, handled, handler, has, of } = yield* handling(queue, {
        entering: (n) => (n === 1 ? Deferred.await(gate) : Effect.void)
      })
      const running = yield* bus.subscribe(handler)
      yield* publish(1, 11, 21, 2)
      yield* has(2)
      yield* running.pause()
      yield* publish(12, 31)
      yield* Deferred.succeed(gate, undefined)
      yield* has(1)
      yield* eventually(messages(queue), (n) => n === 4)
      assert.deepStrictEqual(attempts.toSorted(), [1, 2])
      yield* running.resume
      yield* has(11, 21, 31, 12)
      yield* bounded(running.stop)
      yield* publish(41, 51)
      yield* bus.subscribe(handler)
      yield* has(51)
      assert.deepStrictEqual(of(1, handled), [1, 11, 21, 31, 41, 51])
      assert.deepStrictEqual(of(2), [2, 12])
    }))

  test("a failure that pauses its subscription keeps the order", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const handled: Array<number> = []
      let calls = 0
      const handler = Handler.make(
        ordered(queue),
        Effect.fnUntraced(function* ({ payload: { n } }) {
          if (n === 11 && ++calls < 3) return yield* new Flaky({ n })
          handled.push(n)
        })
      ).pipe(Handler.onFailure(FailurePolicy.tags({ Flaky: FailurePolicy.pause(Schedule.spaced("50 millis")) })))
      yield* bus.subscribe(handler)
      yield* publish(1, 11, 21, 31)
      yield* eventually(
        Effect.sync(() => [...handled]),
        (handled) => handled.includes(31)
      )
      assert.deepStrictEqual(handled, [1, 11, 21, 31])
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("an event whose key cannot be told is a dead letter by itself", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const handled: Array<number> = []
      const keyOf = (n: number): string => {
        if (n === 1) throw new TypeError("no key")
        return n === 2 ? "" : n === 3 ? "x".repeat(256) : n === 4 ? "ü".repeat(127) : "k"
      }
      yield* bus.subscribe(
        Handler.make(
          Subscription.make(queue, { events: [TaskDone], orderedBy: ({ payload }) => keyOf(payload.n) }),
          ({ payload }) => Effect.sync(() => void handled.push(payload.n))
        )
      )
      yield* publish(1, 2, 3, 4, 5)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 3)
      yield* eventually(
        Effect.sync(() => [...handled]),
        (handled) => handled.length === 2
      )
      const { letters } = yield* parked(queue)
      assert.deepStrictEqual(
        letters.map(({ envelope: { fault, key } }) => [key, fault?.reason]),
        [
          [undefined, "TypeError"],
          [undefined, "InvalidKey"],
          [undefined, "InvalidKey"]
        ]
      )
    }))

  test("dead letters are filtered and counted by their keys", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const { broken, handler } = yield* handling(queue, { times: 0 })
      broken.add(1).add(2)
      yield* bus.subscribe(handler)
      yield* publish(1, 2, 11, 12, 21)
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 5)
      const letters = bus.deadLetters(queue)
      const { groups } = yield* letters.groups()
      assert.deepStrictEqual(
        groups.map(({ count, keys, reason }) => [reason, count, keys]),
        [
          ["parked", 3, 2],
          ["Flaky", 2, 2]
        ]
      )
      assert.deepStrictEqual(
        groups.map(({ key }) => key),
        [undefined, undefined]
      )
      const { groups: ofOne } = yield* letters.groups({ key: "k2" })
      assert.deepStrictEqual(
        ofOne.map(({ count, key, keys }) => [count, keys, key]),
        [
          [1, 1, "k2"],
          [1, 1, "k2"]
        ]
      )
      const { letters: ofKey } = yield* letters.snapshot({ key: "k2" })
      assert.deepStrictEqual(
        ofKey.map(({ key }) => key),
        ["k2", "k2"]
      )
      assert.strictEqual((yield* letters.discard({ key: "k2" })).done, 2)
      assert.strictEqual((yield* letters.peek({ key: "k1" })).letters.length, 3)
    }))

  test("failures, takeovers and replays at random change no order, and lose nothing", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      // The same for each run.
      let seed = 42
      const random = (most: number) => {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
        return (seed >>> 16) % most
      }
      const { broken, handled, handler, of } = yield* handling(queue, { drainTimeout: "100 millis", times: 0 })
      let running = yield* bus.subscribe(handler)
      const total = 300
      for (let n = 1; n <= total; n++) {
        if (random(12) === 0) broken.add(n)
        yield* publish(n)
        if (random(20) === 0) broken.clear()
        if (random(30) === 0) yield* bus.deadLetters(queue).replay()
        if (random(40) === 0) {
          const next = yield* bus.subscribe(handler)
          yield* bounded(running.stop)
          running = next
        }
      }
      broken.clear()
      yield* eventually(
        Effect.andThen(
          bus.deadLetters(queue).replay(),
          Effect.sync(() => new Set(handled).size)
        ),
        (count) => count === total
      )
      for (let key = 0; key < 10; key++) {
        const firsts = [...new Set(of(key))]
        assert.deepStrictEqual(
          firsts,
          firsts.toSorted((a, b) => a - b)
        )
      }
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 0)
    }))
})
