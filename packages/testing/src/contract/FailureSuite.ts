import { assert } from "@effect/vitest"
import { EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import { eventually } from "./Patience.ts"
import { assertFault, deadLetters, messages, record, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, soon, TaskDone, UserJoined } from "./TestEvents.ts"

const decoder = new TextDecoder()

export const failureSuite = suite("failing", (test) => {
  test("retry up to max_retries, then DLQ: retry_count is right on each attempt and on the dead letter", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const attempts = yield* recorder<readonly [number, number]>()
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), (event, { attempt }) =>
          Effect.andThen(attempts.push([attempt, event.retryCount]), Effect.fail(new Flaky({ n: attempt })))
        )
      )
      const event = yield* TaskDone.event({ n: 1 }, { maxRetries: 1 })
      yield* bus.publish(event)
      assert.deepStrictEqual(yield* attempts.takeN(2), [
        [1, 0],
        [2, 1]
      ])
      const letter = yield* letters.take
      assert.strictEqual(letter.event.eventId, event.eventId)
      assert.strictEqual(letter.event.retryCount, 1)
      assert.strictEqual(JSON.parse(decoder.decode(letter.envelope.body)).retry_count, 1)
      assertFault(letter, { reason: "Flaky", attempts: 2, message: /failed at 2/ })
      assert.strictEqual(yield* messages(queue), 0)
    }))

  test("consumption errors, transient: a failure that goes away is retried and handled", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const handled = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), (_, { attempt }) =>
          attempt < 3 ? Effect.fail(new Flaky({ n: attempt })) : handled.push(attempt)
        ).pipe(Handler.onFailure(soon(5)))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.strictEqual(yield* handled.take, 3)
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("consumption errors, permanent: a failure that its policy gives up on is a dead letter at once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const attempts = yield* Ref.make(0)
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), () =>
          Effect.andThen(
            Ref.update(attempts, (n) => n + 1),
            Effect.fail(new Flaky({ n: 0 }))
          )
        ).pipe(Handler.onFailure(FailurePolicy.tags({ Flaky: FailurePolicy.deadLetter })))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assertFault(yield* letters.take, { reason: "Flaky", attempts: 1 })
      assert.strictEqual(yield* Ref.get(attempts), 1)
    }))

  test("a retried event keeps every field, and the bytes of those that this library does not know", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("users")
      const original = yield* record(Subscription.make(yield* unique("copy"), { events: [UserJoined] }))
      const retried = yield* recorder<Uint8Array>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [UserJoined] }), (_, { attempt, envelope }) =>
          attempt === 1 ? Effect.fail(new Flaky({ n: 1 })) : retried.push(envelope.body)
        ).pipe(Handler.onFailure(soon(1)))
      )
      const event = yield* UserJoined.event({ name: "Ada ✓" }, { priority: "critical" })
      yield* bus.publish({ ...event, extensions: { schema_version: 2, x_unknown: { kept: [1.5, null] } } })
      const before = decoder.decode((yield* original.take).envelope.body)
      assert.strictEqual(decoder.decode(yield* retried.take), before.replace(`"retry_count":0`, `"retry_count":1`))
    }))

  test("a retried event keeps its routing key and the time of its first failure", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("users")
      const letters = yield* deadLetters(queue)
      const twice = Schedule.spaced("300 millis").pipe(Schedule.upTo({ times: 2 }))
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { patterns: ["tenant.#"] }), () => Effect.fail(new Flaky({ n: 1 }))).pipe(
          Handler.onFailure(FailurePolicy.retry(twice))
        )
      )
      yield* bus.publish(yield* UserJoined.event({ name: "Ada" }), { routingKey: "tenant.acme" })
      const { envelope } = yield* letters.take
      assert.strictEqual(envelope.routingKey, "tenant.acme")
      assert.isDefined(envelope.fault)
      assert.isAtLeast(envelope.fault.lastFailedAt - envelope.fault.firstFailedAt, 590)
    }))

  test("a retry touches only the queue whose handler failed", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const healthy = yield* record(Subscription.make(yield* unique("healthy"), { events: [TaskDone] }))
      const handled = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(yield* unique("flaky"), { events: [TaskDone] }), (event, { attempt }) =>
          attempt === 1 ? Effect.fail(new Flaky({ n: 1 })) : handled.push(event.payload.n)
        ).pipe(Handler.onFailure(soon(1)))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.strictEqual(yield* handled.take, 1)
      assert.strictEqual((yield* healthy.take).attempt, 1)
      assert.strictEqual(yield* healthy.size, 0)
    }))

  test("an event that waits for its retry does not hold up the others", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen = yield* recorder<readonly [number, number]>()
      yield* bus.subscribe(
        Handler.make(
          Subscription.make(yield* unique("tasks"), { events: [TaskDone], concurrency: 1 }),
          (event, { attempt }) =>
            Effect.andThen(
              seen.push([event.payload.n, attempt]),
              event.payload.n === 1 && attempt === 1 ? Effect.fail(new Flaky({ n: 1 })) : Effect.void
            )
        ).pipe(Handler.onFailure(soon(1)))
      )
      yield* bus.publishAll(yield* Effect.forEach([1, 2, 3], (n) => TaskDone.event({ n })))
      assert.deepStrictEqual((yield* seen.takeN(4)).at(-1), [1, 2])
    }))

  test("a consumer continues after errors: of many events, each that fails is retried, and all are handled", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const handled = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], concurrency: 20 }), (event, { attempt }) =>
          event.payload.n % 3 >= attempt ? Effect.fail(new Flaky({ n: attempt })) : handled.push(event.payload.n)
        ).pipe(Handler.onFailure(soon(3)))
      )
      const numbers = Array.from({ length: 150 }, (_, n) => n)
      yield* bus.publishAll(yield* Effect.forEach(numbers, (n) => TaskDone.event({ n })))
      assert.deepStrictEqual(
        (yield* handled.takeN(150)).toSorted((a, b) => a - b),
        numbers
      )
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))

  test("a defect is a failure: it is retried, ends as a dead letter with its cause, and does not affect other events", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const handled = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), (event) =>
          event.payload.n === 1
            ? Effect.die(new TypeError("undefined is not a function"))
            : handled.push(event.payload.n)
        ).pipe(Handler.onFailure(soon(1)))
      )
      yield* bus.publishAll(yield* Effect.forEach([1, 2], (n) => TaskDone.event({ n })))
      assert.strictEqual(yield* handled.take, 2)
      const letter = yield* letters.take
      assertFault(letter, { reason: "TypeError", attempts: 2, message: /not a function/ })
      assert.match(letter.envelope.fault?.stack ?? "", /FailureSuite\.[jt]s/)
    }))

  test("a handler that throws instead of returning an effect is a defect like any other", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), (): Effect.Effect<void> => {
          throw new SyntaxError("thrown")
        }).pipe(Handler.onFailure(FailurePolicy.tags({})))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assertFault(yield* letters.take, { reason: "SyntaxError", attempts: 1, message: /thrown/ })
    }))

  test("a handler that hangs is timed out, and its slot is free again", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const handled = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], concurrency: 1 }), (event) =>
          event.payload.n === 1 ? Effect.never : handled.push(event.payload.n)
        ).pipe(
          Handler.timeout("30 millis"),
          Handler.onFailure(FailurePolicy.tags({ TimeoutError: FailurePolicy.deadLetter }))
        )
      )
      yield* bus.publishAll(yield* Effect.forEach([1, 2], (n) => TaskDone.event({ n })))
      assertFault(yield* letters.take, { reason: "TimeoutError", attempts: 1 })
      assert.strictEqual(yield* handled.take, 2)
    }))

  test("a handler that interrupts itself is not mistaken for a subscription that stops", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], concurrency: 1 }), () => Effect.interrupt)
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }, { maxRetries: 0 }))
      assert.strictEqual((yield* letters.take).envelope.fault?.attempts, 1)
    }))

  test("tap sees an event after its handler, before it is acknowledged", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const order = yield* recorder<string>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), () => order.push("handled")).pipe(
          Handler.tap((event, { attempt }) =>
            Effect.andThen(
              order.push(`tapped ${event.payload.n}`),
              attempt === 1 ? Effect.fail(new Flaky({ n: 1 })) : Effect.void
            )
          ),
          Handler.onFailure(soon(1))
        )
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      assert.deepStrictEqual(yield* order.takeN(4), ["handled", "tapped 1", "handled", "tapped 1"])
    }))

  test("a policy may discard: the event is gone, and not among the dead letters", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const attempted = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), (event) =>
          Effect.andThen(attempted.push(event.payload.n), Effect.fail(new Flaky({ n: 1 })))
        ).pipe(Handler.onFailure(soon(1).pipe(FailurePolicy.orElse(FailurePolicy.discard))))
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }))
      yield* attempted.takeN(2)
      yield* bus.publish(yield* TaskDone.event({ n: 2 }))
      assert.deepStrictEqual(yield* attempted.takeN(2), [2, 2])
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* messages(`dlq.${queue}`), 0)
    }))
})
