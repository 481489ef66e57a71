import { assert } from "@effect/vitest"
import { EventBus, FailurePolicy, Handler, type SubscriptionState, Subscription } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { bounded, eventually } from "./Patience.ts"
import { readings } from "./Readings.ts"
import { deadLetters, messages, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { TaskDone } from "./TestEvents.ts"

class Down extends Schema.TaggedError<Down>()("Down", {}) {}
class Wrong extends Schema.TaggedError<Wrong>()("Wrong", {}) {}

const publish = Effect.fnUntraced(function* (...numbers: ReadonlyArray<number>) {
  const bus = yield* EventBus.EventBus
  for (const n of numbers) yield* bus.publish(yield* TaskDone.event({ n }))
})

const consumers = (queue: string) =>
  Effect.map(
    EventBus.EventBus.use((bus) => bus.queueInfo(queue)),
    (info) => (info._tag === "Some" ? info.value.consumers : 0)
  )

const becomes = (running: EventBus.Running, tag: SubscriptionState.SubscriptionState["_tag"]) =>
  eventually(running.state, ({ _tag }) => _tag === tag)

/** Subscribes a handler that fails with `Down` while a dependency is down, and pauses by a schedule then. */
const dependent = Effect.fnUntraced(function* (queue: string, schedule: Schedule.Schedule<unknown>, concurrency = 4) {
  const bus = yield* EventBus.EventBus
  const seen = yield* recorder<number>()
  const dependency = { isDown: true, calls: 0, attempts: new Set<number>() }
  const running = yield* bus.subscribe(
    Handler.make(Subscription.make(queue, { events: [TaskDone], concurrency }), ({ payload }, { attempt }) =>
      Effect.suspend((): Effect.Effect<void, Down | Wrong> => {
        dependency.calls += 1
        dependency.attempts.add(attempt)
        if (payload.n < 0) return Effect.fail(new Wrong())
        return dependency.isDown ? Effect.fail(new Down()) : seen.push(payload.n)
      })
    ).pipe(
      Handler.onFailure(FailurePolicy.tags({ Down: FailurePolicy.pause(schedule), Wrong: FailurePolicy.deadLetter }))
    )
  )
  return { running, seen, dependency }
})

/** Pausing, resuming, and probing. */
export const flowSuite = suite("flow", (test) => {
  test("a paused subscription takes nothing, and goes on when it is resumed", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* recorder<number>()
      const running = yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), ({ payload }) => seen.push(payload.n))
      )
      yield* publish(1)
      assert.strictEqual(yield* seen.take, 1)
      yield* running.pause()
      yield* publish(2, 3)
      yield* eventually(messages(queue), (n) => n === 2)
      assert.strictEqual(yield* consumers(queue), 0)
      assert.strictEqual(yield* seen.size, 0)
      yield* running.resume
      assert.deepStrictEqual(yield* seen.takeN(2), [2, 3])
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* consumers(queue), 1)
    }))

  test("a pause lets running handlers end, and gives back what waits for them, in order and unchanged", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const gate = yield* Deferred.make<void>()
      const entered = yield* recorder<number>()
      const seen = yield* recorder<readonly [n: number, attempt: number]>()
      const running = yield* bus.subscribe(
        Handler.make(
          Subscription.make(queue, { events: [TaskDone], concurrency: 1, prefetch: 5 }),
          ({ payload }, { attempt }) =>
            Effect.andThen(entered.push(payload.n), Deferred.await(gate)).pipe(
              Effect.andThen(seen.push([payload.n, attempt]))
            )
        )
      )
      yield* publish(1, 2, 3, 4, 5)
      assert.strictEqual(yield* entered.take, 1)
      yield* eventually(messages(queue), (n) => n === 0)
      yield* running.pause()
      yield* eventually(messages(queue), (n) => n === 4)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* seen.take, [1, 1])
      yield* running.resume
      assert.deepStrictEqual(yield* seen.takeN(4), [
        [2, 1],
        [3, 1],
        [4, 1],
        [5, 1]
      ])
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* seen.size, 0)
    }))

  test("more events are handed out in advance than are handled at once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const gate = yield* Deferred.make<void>()
      let atOnce = 0
      let most = 0
      const entered = yield* recorder<number>()
      const seen = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(
          Subscription.make(queue, { events: [TaskDone], concurrency: 2, prefetch: 6 }),
          Effect.fnUntraced(function* ({ payload }) {
            most = Math.max(most, (atOnce += 1))
            yield* entered.push(payload.n)
            yield* Deferred.await(gate)
            atOnce -= 1
            yield* seen.push(payload.n)
          })
        )
      )
      yield* publish(1, 2, 3, 4, 5, 6, 7, 8)
      yield* entered.takeN(2)
      yield* eventually(messages(queue), (n) => n === 2)
      yield* Deferred.succeed(gate, undefined)
      yield* seen.takeN(8)
      assert.strictEqual(most, 2)
    }))

  test("a pause for a time ends by itself", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const bus = yield* EventBus.EventBus
      const seen = yield* recorder<number>()
      const running = yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), ({ payload }) => seen.push(payload.n))
      )
      yield* running.pause({ for: "1 second", by: "Ada" })
      const state = yield* running.state
      assert.strictEqual(state._tag === "Paused" && state.by, "Ada")
      assert.isNumber(state._tag === "Paused" && state.until)
      yield* publish(1)
      assert.strictEqual(yield* seen.take, 1)
      yield* becomes(running, "Running")
    }))

  test("a dependency that is down pauses its subscription, and uses up no attempts", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const { dependency, running, seen } = yield* dependent(queue, Schedule.spaced("40 millis"))
      yield* publish(1, 2, 3, 4, 5, 6, 7, 8, 9)
      yield* eventually(
        Effect.sync(() => dependency.calls),
        (calls) => calls >= 10
      )
      assert.notStrictEqual((yield* running.state)._tag, "Running")
      dependency.isDown = false
      const all = yield* seen.takeN(9)
      assert.sameMembers(all, [1, 2, 3, 4, 5, 6, 7, 8, 9])
      assert.deepStrictEqual([...dependency.attempts], [1])
      yield* becomes(running, "Running")
      yield* eventually(messages(queue), (n) => n === 0)
      assert.strictEqual(yield* letters.size, 0)
      assert.strictEqual(yield* seen.size, 0)
    }))

  test("after a pause, events are taken one at a time until one succeeds", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const entered = yield* recorder<number>()
      const gate = yield* Deferred.make<void>()
      const probes: Array<number | undefined> = []
      let calls = 0
      const running = yield* bus.subscribe(
        Handler.make(
          Subscription.make(queue, { events: [TaskDone], concurrency: 4 }),
          Effect.fnUntraced(function* ({ payload }, { probe }) {
            probes.push(probe?.pauses)
            if (++calls === 1) return yield* new Down()
            yield* entered.push(payload.n)
            yield* Deferred.await(gate)
          })
        ).pipe(Handler.onFailure(FailurePolicy.tags({ Down: FailurePolicy.pause(Schedule.spaced("1 second")) })))
      )
      yield* publish(1)
      yield* becomes(running, "Paused")
      yield* publish(2, 3, 4, 5)
      yield* entered.take
      yield* becomes(running, "Probing")
      yield* eventually(messages(queue), (n) => n === 4)
      assert.strictEqual(yield* entered.size, 0)
      yield* Deferred.succeed(gate, undefined)
      yield* entered.takeN(4)
      yield* becomes(running, "Running")
      assert.deepStrictEqual(probes.slice(0, 2), [undefined, 1])
      assert.deepStrictEqual(probes.slice(2), [undefined, undefined, undefined, undefined])
    }))

  test("a probe that says nothing about the dependency makes way for the next", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const { dependency, running, seen } = yield* dependent(queue, Schedule.spaced("50 millis"), 1)
      yield* publish(-1, 1)
      yield* letters.take
      yield* becomes(running, "Paused")
      yield* publish(-2, -3, 2)
      dependency.isDown = false
      assert.sameMembers(yield* seen.takeN(2), [1, 2])
      yield* letters.takeN(2)
      yield* becomes(running, "Running")
    }))

  test("an event that is put back by many pauses is never dead-lettered for that", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const { dependency, seen } = yield* dependent(queue, Schedule.spaced("1 millis"))
      yield* publish(1)
      yield* eventually(
        Effect.sync(() => dependency.calls),
        (calls) => calls > 25
      )
      dependency.isDown = false
      assert.strictEqual(yield* seen.take, 1)
      assert.deepStrictEqual([...dependency.attempts], [1])
      assert.strictEqual(yield* letters.size, 0)
    }))

  test("the next policy decides when the schedule of the pauses ends", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const letters = yield* deadLetters(queue)
      const { dependency } = yield* dependent(queue, Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 3 })))
      yield* publish(1)
      yield* letters.take
      assert.strictEqual(dependency.calls, 4)
    }))

  test("a resume by hand ends the pause of a failure at once", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const { dependency, running, seen } = yield* dependent(queue, Schedule.spaced("1 hour"))
      yield* publish(1)
      yield* becomes(running, "Paused")
      dependency.isDown = false
      yield* running.resume
      assert.strictEqual(yield* seen.take, 1)
    }))

  test("a paused subscription is in the state, its changes, the health and the metrics", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const running = yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone] }), () => Effect.void)
      )
      const ready = yield* Deferred.make<void>()
      const states = yield* running.changes.pipe(
        Stream.map(({ _tag }) => _tag),
        Stream.tap(() => Deferred.succeed(ready, undefined)),
        Stream.take(3),
        Stream.runCollect,
        Effect.forkScoped
      )
      yield* bounded(Deferred.await(ready))
      const gauge = `eventbus_paused{queue="${queue}"}`
      assert.strictEqual((yield* readings)[gauge], 0)
      yield* running.pause({ by: "Ada" })
      assert.deepStrictEqual(
        (yield* bus.subscriptions).map(({ queue }) => queue),
        [queue]
      )
      const { details, status } = yield* bus.health
      assert.strictEqual(status, "healthy")
      assert.strictEqual(details["subscriptionsPaused"], 1)
      assert.strictEqual(details["paused"], `"${queue}": paused by Ada`)
      assert.strictEqual((yield* readings)[gauge], 1)
      yield* running.resume
      assert.deepStrictEqual(yield* bounded(Fiber.join(states)), ["Running", "Paused", "Running"])
      assert.strictEqual((yield* readings)[gauge], 0)
      assert.isUndefined((yield* bus.health).details["paused"])
      yield* running.stop
      assert.deepStrictEqual(yield* bus.subscriptions, [])
    }))

  test("an at-most-once subscription handles what it holds when it is paused", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const gate = yield* Deferred.make<void>()
      const seen = yield* recorder<number>()
      const running = yield* bus.subscribe(
        Handler.make(
          Subscription.make(queue, {
            events: [TaskDone],
            guarantee: "at-most-once",
            concurrency: 1,
            prefetch: 3
          }),
          ({ payload }) => Effect.andThen(Deferred.await(gate), seen.push(payload.n))
        )
      )
      yield* publish(1, 2, 3)
      yield* eventually(messages(queue), (n) => n === 0)
      yield* running.pause()
      yield* publish(4)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* seen.takeN(3), [1, 2, 3])
      yield* running.resume
      assert.strictEqual(yield* seen.take, 4)
    }))

  test("an at-most-once subscription that is resumed at once handles what it held, too", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const gate = yield* Deferred.make<void>()
      const seen = yield* recorder<number>()
      const running = yield* bus.subscribe(
        Handler.make(
          Subscription.make(queue, { events: [TaskDone], guarantee: "at-most-once", concurrency: 1, prefetch: 3 }),
          ({ payload }) => Effect.andThen(Deferred.await(gate), seen.push(payload.n))
        )
      )
      yield* publish(1, 2, 3)
      yield* eventually(messages(queue), (n) => n === 0)
      yield* running.pause()
      yield* publish(4, 5, 6)
      yield* running.resume
      yield* eventually(messages(queue), (n) => n === 0)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* seen.takeN(6), [1, 2, 3, 4, 5, 6])
      yield* eventually(consumers(queue), (n) => n === 1)
    }))

  test("a paused subscription stops, and its events wait in the queue", () =>
    Effect.gen(function* () {
      const queue = yield* unique("tasks")
      const { running } = yield* dependent(queue, Schedule.spaced("1 hour"))
      yield* publish(1, 2)
      yield* becomes(running, "Paused")
      yield* bounded(running.stop)
      yield* eventually(messages(queue), (n) => n === 2)
      assert.strictEqual((yield* readings)[`eventbus_paused{queue="${queue}"}`], 0)
      // What comes later changes nothing.
      yield* running.pause()
      yield* running.resume
      assert.strictEqual(yield* consumers(queue), 0)
    }))

  test("pauses and resumes at the same time end in a state that they agree on", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("tasks")
      const seen = yield* recorder<number>()
      const running = yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], concurrency: 3 }), ({ payload }) =>
          seen.push(payload.n)
        )
      )
      const toggles = Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? running.pause() : running.resume))
      yield* Effect.all([Effect.all(toggles, { concurrency: "unbounded" }), publish(1, 2, 3)], { concurrency: 2 })
      yield* running.resume
      assert.sameMembers(yield* seen.takeN(3), [1, 2, 3])
      yield* eventually(messages(queue), (n) => n === 0)
      yield* eventually(consumers(queue), (n) => n === 1)
      assert.strictEqual(yield* seen.size, 0)
    }))

  test("a temporary subscription goes on after a pause", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("watch")
      const seen = yield* recorder<number>()
      const running = yield* bus.subscribe(
        Handler.make(Subscription.make(queue, { events: [TaskDone], temporary: true }), ({ payload }) =>
          seen.push(payload.n)
        )
      )
      yield* running.pause()
      yield* running.resume
      yield* eventually(consumers(queue), (n) => n === 1)
      yield* publish(2)
      assert.strictEqual(yield* seen.take, 2)
    }))
})
