import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Schedule, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"

class Down extends Schema.TaggedError<Down>()("Down", {}) {}

const Charged = EventType.make("card.charged", { payload: Schema.Struct({ n: Schema.Int }) })

const perSecond = 200
const outage = 300
const longest = 30

describe("a dependency that is down for five minutes, at 200 events a second", () => {
  it.effect("costs no dead letter and no attempt, few calls, and one interval to recover", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      let isDown = false
      let callsWhileDown = 0
      let recoveredAt: number | undefined
      const handled = new Map<number, number>()
      const attempts = new Set<number>()
      const handler = Handler.make(
        Subscription.make("charges", { events: [Charged], concurrency: 16 }),
        Effect.fnUntraced(function* ({ payload }, { attempt }) {
          attempts.add(attempt)
          if (isDown) {
            callsWhileDown += 1
            yield* Effect.sleep("50 millis")
            return yield* new Down()
          }
          recoveredAt ??= callsWhileDown > 0 ? yield* Clock.currentTimeMillis : undefined
          handled.set(payload.n, (handled.get(payload.n) ?? 0) + 1)
        })
      ).pipe(
        Handler.onFailure(
          FailurePolicy.tags({
            Down: FailurePolicy.pause(
              Schedule.min([Schedule.exponential("1 second"), Schedule.spaced(`${longest} seconds`)])
            )
          })
        )
      )
      const running = yield* bus.subscribe(handler)
      let n = 0
      let mostUnsettled = 0
      const second = Effect.gen(function* () {
        for (let i = 0; i < perSecond; i++) yield* bus.publish(yield* Charged.event({ n: n++ }))
        yield* TestClock.adjust("1 second")
        if (!isDown) return
        const waiting = (yield* memory.peek("charges")).length
        mostUnsettled = Math.max(mostUnsettled, n - handled.size - waiting)
      })
      yield* second
      isDown = true
      for (let i = 0; i < outage; i++) yield* second
      isDown = false
      const backAt = yield* Clock.currentTimeMillis
      for (let i = 0; i <= longest; i++) yield* second
      assert.strictEqual((yield* running.state)._tag, "Running")
      assert.isAtMost(callsWhileDown, (perSecond * outage) / 100)
      assert.isAtMost((recoveredAt ?? Infinity) - backAt, longest * 1000 + 1000)
      assert.strictEqual(handled.size, n)
      assert.deepStrictEqual([...new Set(handled.values())], [1])
      assert.deepStrictEqual([...attempts], [1])
      assert.deepStrictEqual(yield* memory.peek("dlq.charges"), [])
      // Nothing is held back unacknowledged while it is down: at most what is handled, and the probe.
      assert.isAtMost(mostUnsettled, 1)
    }).pipe(Effect.provide(EventBus.layerMemory), Effect.scoped)
  )

  it.effect("does not end while the probes of a longer schedule wait, and stops at once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      let calls = 0
      const running = yield* bus.subscribe(
        Handler.make(Subscription.make("charges", { events: [Charged] }), () =>
          Effect.suspend(() => {
            calls += 1
            return Effect.fail(new Down())
          })
        ).pipe(Handler.onFailure(FailurePolicy.pause(Schedule.spaced("1 hour"))))
      )
      yield* bus.publish(yield* Charged.event({ n: 1 }))
      yield* TestClock.adjust("1 minute")
      // More probes than a schedule is asked for again: the last delay goes on.
      for (let i = 0; i < 1005; i++) yield* TestClock.adjust("1 hour")
      assert.strictEqual(calls, 1006)
      const stopping = yield* Effect.forkChild(running.stop)
      yield* TestClock.adjust("1 millis")
      assert.isDefined(stopping.pollUnsafe())
      yield* Fiber.join(stopping)
    }).pipe(Effect.provide(EventBus.layerMemory), Effect.scoped)
  )
})
