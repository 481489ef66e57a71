import { assert } from "@effect/vitest"
import { Broker, EventBus, EventType, Handler, PublishError, Subscription } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { record } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { TaskDone, TaskFailed, UserJoined } from "./TestEvents.ts"

export const publishSuite = suite("publishing", (test) => {
  test("basic publish: an event arrives typed, with every field that it was published with", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("users"), { events: [UserJoined] }))
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
      yield* bus.publish(event)
      const delivery = yield* seen.take
      assert.deepStrictEqual({ ...delivery.event }, { ...event })
      assert.strictEqual(delivery.attempt, 1)
      assert.isFalse(delivery.redelivered)
      assert.strictEqual(delivery.envelope.routingKey, "user.joined.high")
      assert.strictEqual(delivery.envelope.id, event.eventId)
      assert.strictEqual(delivery.envelope.source, "orchestrator")
    }))

  test("custom routing key: the caller's key decides who gets the event", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const byType = yield* record(Subscription.make(yield* unique("by-type"), { events: [UserJoined] }))
      const byKey = yield* record(Subscription.make(yield* unique("by-key"), { patterns: ["tenant.*.users"] }))
      yield* bus.publish(yield* UserJoined.event({ name: "Ada" }), { routingKey: "tenant.acme.users" })
      assert.strictEqual((yield* byKey.take).envelope.routingKey, "tenant.acme.users")
      assert.strictEqual(yield* byType.size, 0)
    }))

  test("custom routing key: one of over 255 bytes is a RangeError that names it", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const event = yield* UserJoined.event({ name: "Ada" })
      assert.throws(() => bus.publish(event, { routingKey: "ä".repeat(128) }), RangeError, /256.*ä/)
    }))

  test("non-persistent publish: an event that need not survive a restart arrives like any other", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("users"), { events: [UserJoined] }))
      yield* bus.publish(yield* UserJoined.event({ name: "Ada" }), { persistent: false })
      yield* bus.publish(yield* UserJoined.event({ name: "Eve" }))
      assert.deepStrictEqual(
        (yield* seen.takeN(2)).map((delivery) => delivery.envelope.persistent),
        [false, true]
      )
    }))

  test("many events are published together, and each arrives once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone], concurrency: 50 }))
      const numbers = Array.from({ length: 500 }, (_, n) => n)
      yield* bus.publishAll(yield* Effect.forEach(numbers, (n) => TaskDone.event({ n })))
      const received = (yield* seen.takeN(500)).map((delivery) => delivery.event.payload.n)
      assert.deepStrictEqual(
        received.toSorted((a, b) => a - b),
        numbers
      )
      assert.strictEqual(yield* seen.size, 0)
    }))

  test("events of one publisher arrive in order where one is handled at a time", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone], concurrency: 1 }))
      const numbers = Array.from({ length: 200 }, (_, n) => n)
      yield* bus.publishAll(yield* Effect.forEach(numbers, (n) => TaskDone.event({ n })))
      assert.deepStrictEqual(
        (yield* seen.takeN(200)).map((delivery) => delivery.event.payload.n),
        numbers
      )
    }))

  test("publication errors as typed values: an event that no queue receives is no error, or Unroutable on request", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const event = yield* TaskFailed.event({ why: "no queue" })
      yield* bus.publish(event)
      const error = yield* Effect.flip(bus.publish(event, { unroutable: "fail" }))
      assert.instanceOf(error, PublishError.PublishError)
      assert.strictEqual(error.reason._tag, "Unroutable")
      assert.isFalse(error.isRetryable)
      assert.match(error.message, /task\.failed\.normal/)
    }))

  test("publication errors as typed values: a payload that its schema refuses is EncodeFailed, and nothing is sent", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { patterns: ["task.#"] }))
      const error = yield* Effect.flip(bus.publish(yield* TaskDone.event({ n: 1.5 })))
      assert.strictEqual(error.reason._tag, "EncodeFailed")
      assert.match(error.message, /task\.done.*payload\.n/)
      yield* bus.publish(yield* TaskFailed.event({ why: "sent after it" }))
      assert.strictEqual((yield* seen.take).event.eventType, "task.failed")
    }))

  test("publication errors as typed values: a body over the limit is TooLarge", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { maxBodyBytes } = yield* Broker.Broker
      const error = yield* Effect.flip(bus.publish(yield* UserJoined.event({ name: "x".repeat(maxBodyBytes) })))
      assert.strictEqual(error.reason._tag, "TooLarge")
      assert.include(error.message, `limit is ${maxBodyBytes}`)
    }))

  test("publication errors can be handled by their reason", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const answer = yield* bus.publish(yield* TaskDone.event({ n: 1 }), { unroutable: "fail" }).pipe(
        Effect.as("sent"),
        Effect.catchReason("PublishError", "Unroutable", (reason) =>
          Effect.succeed(`no queue for ${reason.routingKey}`)
        )
      )
      assert.strictEqual(answer, "no queue for task.done.normal")
    }))

  test("payloads travel in the JSON form of their schema", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const Scheduled = EventType.make("task.scheduled", {
        payload: Schema.Struct({ at: Schema.Date, ids: Schema.Array(Schema.BigInt) })
      })
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [Scheduled] }))
      const payload = { at: new Date(0), ids: [2n ** 70n] }
      yield* bus.publish(yield* Scheduled.event(payload))
      assert.deepStrictEqual((yield* seen.take).event.payload, payload)
    }))

  test("a handler may publish to the bus that it is subscribed to", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("followed"), { events: [TaskDone] }))
      yield* bus.subscribe(
        Handler.make(Subscription.make(yield* unique("followers"), { events: [UserJoined] }), () =>
          Effect.flatMap(TaskDone.event({ n: 7 }), (event) => bus.publish(event))
        )
      )
      yield* bus.publish(yield* UserJoined.event({ name: "Ada" }))
      assert.strictEqual((yield* seen.take).event.payload.n, 7)
    }))

  test("an interrupted publish leaves the bus working", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }))
      const events = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, n) => n),
        (n) => TaskDone.event({ n })
      )
      yield* Fiber.interrupt(yield* Effect.forkChild(bus.publishAll(events), { startImmediately: true }))
      const last = yield* TaskDone.event({ n: 1000 })
      yield* bus.publish(last)
      let delivery = yield* seen.take
      while (delivery.event.eventId !== last.eventId) delivery = yield* seen.take
    }))
})
