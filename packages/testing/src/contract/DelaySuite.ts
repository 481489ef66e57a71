import { assert } from "@effect/vitest"
import { Broker, EventBus, Handler, Subscription } from "effect-eventbus"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { eventually } from "./Patience.ts"
import { assertFault, deadLetters, messages, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone, UserJoined } from "./TestEvents.ts"

const day = 24 * 3_600_000

export const delaySuite = suite("delayed events", (test, { bus: another, features }) => {
  test("arrive when their delay is over and never before, each once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const arrivals = yield* recorder<readonly [n: number, at: number]>()
      const subscription = Subscription.make(yield* unique("later"), { events: [TaskDone], concurrency: 100 })
      yield* bus.subscribe(
        Handler.make(subscription, ({ payload: { n } }) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => arrivals.push([n, now]))
        )
      )
      const delays = Array.from({ length: 100 }, (_, n) => 1 + ((n * 37) % 1500))
      const since = yield* Clock.currentTimeMillis
      yield* Effect.forEach(
        delays.entries(),
        ([n, delay]) => Effect.flatMap(TaskDone.event({ n }), (event) => bus.publish(event, { delay })),
        { concurrency: "unbounded" }
      )
      const seen = yield* arrivals.takeN(100)
      for (const [n, at] of seen) assert.isAtLeast(at - since, delays[n] ?? 0, `the event ${n} is early`)
      assert.strictEqual(new Set(seen.map(([n]) => n)).size, 100)
      assert.strictEqual(yield* arrivals.size, 0)
    }))

  test("arrive with everything that they were published with, and with the time at which they were due", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(
        Subscription.make(yield* unique("later"), { events: [UserJoined], patterns: ["tenant.*"] })
      )
      const event = yield* UserJoined.event(
        { name: "Ada ✓ 漢字" },
        {
          sourceAgentId: "agent-1",
          sourceService: "orchestrator",
          traceId: "1f0b5c1e-0000-4000-8000-00000000000b",
          executionId: "1f0b5c1e-0000-4000-8000-000000000015",
          parentEventId: "1f0b5c1e-0000-4000-8000-000000000002",
          priority: "high",
          ttlSeconds: 3600,
          maxRetries: 5
        }
      )
      const before = yield* Clock.currentTimeMillis
      yield* bus.publish(event, { delay: "200 millis", routingKey: "tenant.acme", persistent: false })
      const after = yield* Clock.currentTimeMillis
      const { attempt, envelope, event: arrived, redelivered } = yield* seen.take
      assert.deepStrictEqual({ ...arrived }, { ...event })
      assert.deepStrictEqual([attempt, redelivered], [1, false])
      assert.strictEqual(envelope.routingKey, "tenant.acme")
      assert.strictEqual(envelope.id, event.eventId)
      assert.strictEqual(envelope.source, "orchestrator")
      assert.strictEqual(envelope.priority, "high")
      assert.isFalse(envelope.persistent)
      assert.isUndefined(envelope.origin)
      assert.isUndefined(envelope.fault)
      assert.isAtLeast(envelope.dueAt ?? 0, before + 200)
      assert.isAtMost(envelope.dueAt ?? Infinity, after + 200)
    }))

  test("carry the trace of their publish", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("later"), { events: [TaskDone] }))
      const event = yield* TaskDone.event({ n: 1 })
      yield* Effect.andThen(bus.publish(event), bus.publish(event, { delay: 100 })).pipe(Effect.withSpan("ordering"))
      const [now, later] = (yield* seen.takeN(2)).map(({ envelope }) => envelope.traceparent)
      assert.match(later ?? "none", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      assert.strictEqual(later, now)
    }))

  test("are due at a time, or at once where that has passed", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("later"), { events: [TaskDone] }))
      const due = (yield* Clock.currentTimeMillis) + 3000
      yield* bus.publish(yield* TaskDone.event({ n: 2 }), { deliverAt: new Date(due) })
      yield* bus.publish(yield* TaskDone.event({ n: 1 }), { deliverAt: due - 60_000 })
      yield* bus.publish(yield* TaskDone.event({ n: 1 }), { delay: 0 })
      const arrived = yield* seen.takeN(3)
      assert.deepStrictEqual(
        arrived.map(({ envelope, event }) => [event.payload.n, envelope.dueAt]),
        [
          [1, undefined],
          [1, undefined],
          [2, due]
        ]
      )
      assert.isAtLeast(yield* Clock.currentTimeMillis, due)
    }))

  test("go to the queues that are bound when they are due, and are dropped where there are none", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.publish(yield* UserJoined.event({ name: "Eve" }), { delay: "100 millis" })
      yield* bus.publish(yield* TaskDone.event({ n: 1 }), { delay: "4 seconds" })
      const [one, two] = yield* Effect.all([unique("one"), unique("two")])
      const seen = yield* Effect.forEach([one, two], (queue) =>
        record(Subscription.make(queue, { events: [TaskDone] }))
      )
      for (const { take } of seen) assert.deepStrictEqual((yield* take).event.payload, { n: 1 })
      const late = yield* record(Subscription.make(yield* unique("three"), { events: [UserJoined] }))
      yield* bus.publish(yield* UserJoined.event({ name: "Ada" }))
      assert.deepStrictEqual((yield* late.take).event.payload, { name: "Ada" })
      for (const { size } of seen) assert.strictEqual(yield* size, 0)
    }))

  test("have a time to live that counts from when they are due", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("later")
      const letters = yield* deadLetters(queue)
      const gate = yield* Deferred.make<void>()
      const handled = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], concurrency: 1 }), ({ payload: { n } }) =>
          Effect.andThen(handled.push(n), n === 2 ? Deferred.await(gate) : Effect.void)
        )
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }, { ttlSeconds: 5 }), { delay: "6 seconds" })
      assert.strictEqual(yield* handled.take, 1)
      yield* bus.publish(yield* TaskDone.event({ n: 2 }))
      assert.strictEqual(yield* handled.take, 2)
      yield* bus.publish(yield* TaskDone.event({ n: 3 }, { ttlSeconds: 0.1 }), { delay: "100 millis" })
      const expiry = (yield* Clock.currentTimeMillis) + 1300
      // In the end it waits in one of the two queues: not every broker looks at a delayed event before it is its turn.
      yield* eventually(
        Effect.all([messages(queue), letters.size, Clock.currentTimeMillis]),
        ([waiting, dead, now]) => waiting + dead === 1 && now > expiry
      )
      yield* Deferred.succeed(gate, undefined)
      const letter = yield* letters.take
      assert.deepStrictEqual(letter.event.payload, { n: 3 })
      assertFault(letter, { reason: "expired", attempts: 0 })
      assert.strictEqual(letter.envelope.routingKey, "task.done.normal")
      assert.strictEqual(yield* handled.size, 0)
    }))

  test("are retried after their delay, with what is left of their time to live", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("later")
      const attempts = yield* recorder<number>()
      const handler = Handler.make(
        Subscription.make(queue, { events: [TaskDone] }),
        ({ payload: { n } }, { attempt }) =>
          Effect.andThen(attempts.push(attempt), attempt === 1 ? new Flaky({ n }) : Effect.void)
      )
      yield* bus.subscribe(handler.pipe(Handler.onFailure(soon(1))))
      yield* bus.publish(yield* TaskDone.event({ n: 1 }, { ttlSeconds: 5 }), { delay: "6 seconds" })
      assert.deepStrictEqual(yield* attempts.takeN(2), [1, 2])
    }))

  test("fail at once where they could not be stored", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const broker = yield* Broker.Broker
      const huge = yield* UserJoined.event({ name: "x".repeat(broker.maxBodyBytes) })
      const error = yield* Effect.flip(bus.publish(huge, { delay: "1 second" }))
      assert.strictEqual(error.reason._tag, "TooLarge")
    }))

  test("are refused, with a RangeError, where no broker could do what is asked", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const event = yield* TaskDone.event({ n: 1 })
      const now = yield* Clock.currentTimeMillis
      for (const [options, why] of [
        [{ delay: -1 }, /0 to 49 days, not -1 ms/],
        [{ delay: "-1 second" }, /0 to 49 days/],
        [{ delay: NaN }, /0 to 49 days/],
        [{ delay: "50 days" }, /0 to 49 days/],
        [{ delay: Infinity }, /0 to 49 days/],
        [{ deliverAt: now + 50 * day }, /0 to 49 days/],
        [{ deliverAt: new Date("no date") }, /not a valid date/],
        [{ delay: 1000, deliverAt: now }, /not both/],
        [{ delay: 1000, unroutable: "fail" }, /leave out unroutable/]
      ] as const) {
        assert.throws(() => bus.publish(event, options), RangeError, why)
      }
    }))

  if (features.durable) {
    test("outlive the bus that published them", () =>
      Effect.gen(function* () {
        const subscription = Subscription.make(yield* unique("later"), { events: [TaskDone] })
        // A slow bus may close after the event is due.
        const { declare } = yield* EventBus.EventBus
        yield* declare(subscription)
        const publisher = yield* Scope.make()
        const { publish } = Context.get(
          yield* Layer.buildWithScope(Layer.fresh(another()), publisher),
          EventBus.EventBus
        )
        yield* publish(yield* TaskDone.event({ n: 1 }), { delay: "500 millis" })
        yield* Scope.close(publisher, yield* Effect.exit(Effect.void))
        const seen = yield* record(subscription)
        assert.deepStrictEqual((yield* seen.take).event.payload, { n: 1 })
      }))
  }
})
