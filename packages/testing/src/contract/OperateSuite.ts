import { assert } from "@effect/vitest"
import { BrokerError, EventBus, Handler, Subscription } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { bounded, eventually } from "./Patience.ts"
import { assertFault, deadLetters, messages, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { TaskDone, TaskFailed, UserJoined } from "./TestEvents.ts"

export const operateSuite = suite("operating", (test, { bus: busOf }) => {
  test("queue information: messages and consumers, and none of a queue that does not exist", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      assert.deepStrictEqual(yield* bus.queueInfo(queue), Option.none())
      yield* Effect.scoped(record(Subscription.make(queue, { events: [TaskDone] })))
      yield* bus.publishAll(yield* Effect.forEach([1, 2, 3], (n) => TaskDone.event({ n })))
      yield* eventually(bus.queueInfo(queue), (info) => {
        assert.isTrue(Option.isSome(info))
        return (
          info._tag === "Some" && info.value.messages === 3 && info.value.consumers === 0 && info.value.name === queue
        )
      })
    }))

  test("purge: removes the waiting messages, and returns their number", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      yield* Effect.scoped(record(Subscription.make(queue, { events: [TaskDone] })))
      yield* bus.publishAll(yield* Effect.forEach([1, 2, 3, 4], (n) => TaskDone.event({ n })))
      yield* eventually(messages(queue), (n) => n === 4)
      assert.strictEqual(yield* bus.purge(queue), 4)
      assert.strictEqual(yield* bus.purge(queue), 0)
      yield* eventually(messages(queue), (n) => n === 0)
    }))

  test("purge: an unknown queue is a NotFound that names it", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("nowhere")
      const error = yield* Effect.flip(bus.purge(queue))
      assert.instanceOf(error, BrokerError.BrokerError)
      assert.strictEqual(error.reason._tag, "NotFound")
      assert.include(error.message, queue)
    }))

  test("health when up: healthy, connected, and without a secret", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* record(Subscription.make(yield* unique("tasks"), { events: [TaskDone] }))
      const health = yield* bus.health
      assert.strictEqual(health.status, "healthy")
      assert.isTrue(health.connected)
      assert.notMatch(JSON.stringify(health), /password|guest/)
    }))

  test("health when down: unhealthy, not connected, and it still answers", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus.pipe(Effect.provide(busOf(), { local: true }))
      const health = yield* bounded(bus.health)
      assert.strictEqual(health.status, "unhealthy")
      assert.isFalse(health.connected)
      assert.notMatch(JSON.stringify(health), /password|guest/)
    }))

  test("publishing on a bus that is closed fails at once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus.pipe(Effect.provide(busOf(), { local: true }))
      const error = yield* bounded(Effect.flip(bus.publish(yield* TaskDone.event({ n: 1 }))))
      assert.strictEqual(error._tag, "PublishError")
      if (error._tag === "PublishError") assert.strictEqual(error.reason._tag, "Disconnected")
    }))

  test("argument drift: a subscription that differs from the existing queue fails at once, and names the difference", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      yield* record(Subscription.make(queue, { events: [TaskDone], messageTtl: "1 minute" }))
      const error = yield* Effect.flip(
        record(Subscription.make(queue, { events: [TaskDone], messageTtl: "2 minutes" }))
      )
      assert.instanceOf(error, BrokerError.SubscribeError)
      assert.strictEqual(error.queue, queue)
      assert.strictEqual(error.reason._tag, "TopologyMismatch")
      assert.match(error.message, /ttl/i)
      assert.isFalse(error.isRetryable)
    }))

  test("bad input: an event of a type that a typed subscription does not know is a dead letter at once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const seen = yield* record(Subscription.make(queue, { events: [TaskDone], patterns: ["task.#"] }))
      const stranger = yield* TaskFailed.event({ why: "a stranger" })
      yield* bus.publish(stranger)
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      const letter = yield* letters.take
      assert.strictEqual(letter.event.eventId, stranger.eventId)
      assertFault(letter, { reason: "UnknownEventType", attempts: 0 })
      assert.strictEqual((yield* seen.take).event.payload.n, 1)
    }))

  test("bad input: a payload that the subscription's schema refuses is a dead letter whose fault names the field and not its value", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const seen = yield* record(Subscription.make(queue, { events: [TaskDone], patterns: ["user.#"] }))
      const wrong = yield* UserJoined.event({ name: "t0p-s3cret" })
      yield* bus.publish({ ...wrong, eventType: "task.done" }, { routingKey: "user.joined" })
      const letter = yield* letters.take
      assertFault(letter, { reason: "InvalidPayload", message: /payload\.n/ })
      assert.notInclude(JSON.stringify(letter.envelope.fault), "t0p-s3cret")
      assert.strictEqual(yield* seen.size, 0)
    }))

  test("bad input: without a DLQ it is discarded, and the consumer continues", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* record(
        Subscription.make(queue, { events: [TaskDone], patterns: ["task.#"], deadLetter: false })
      )
      yield* bus.publish(yield* TaskFailed.event({ why: "a stranger" }))
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.strictEqual((yield* seen.take).event.payload.n, 1)
      yield* eventually(messages(queue), (n) => n === 0)
    }))

  test("subscriptions of many concurrent fibers all get every event", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* recorder<string>()
      yield* Effect.forEach(
        ["a", "b", "c", "d", "e", "f"],
        (name) =>
          Effect.flatMap(unique(name), (queue) =>
            bus.subscribe(Handler.make(Subscription.make(queue, { events: [TaskDone] }), () => seen.push(name)))
          ),
        {
          concurrency: "unbounded"
        }
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.deepStrictEqual((yield* seen.takeN(6)).toSorted(), ["a", "b", "c", "d", "e", "f"])
    }))
})
