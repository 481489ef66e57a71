import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Layer, Schema } from "effect"
import { EventBus, MemoryBroker, Request, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"

const Slow = Request.make("number.slow", { payload: Schema.Struct({ n: Schema.Int }), success: Schema.Void })

/** A clock whose timers end a moment too early, as those of Node do. */
const hasty = (clock: Clock.Clock): Clock.Clock => ({
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
  currentTimeMillis: clock.currentTimeMillis,
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  currentTimeNanos: clock.currentTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(Duration.millis(Math.max(0, Duration.toMillis(duration) - 0.5)))
})

describe("A request", () => {
  it.effect("whose responder is interrupted a moment before the deadline is not told that it died", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const subscription = Subscription.make("slow", { events: [Slow] })
      const handler = Request.handle(subscription, Slow, () => Effect.never)
      yield* Effect.provideService(bus.subscribe(handler), Clock.Clock, hasty(yield* Clock.Clock))
      const asked = yield* Effect.forkChild(Effect.flip(Request.call(Slow, { n: 1 }, { timeout: "1 second" })))
      yield* TestClock.adjust("999500 micros")
      yield* TestClock.adjust("2 seconds")
      const error = yield* Fiber.join(asked)
      assert.strictEqual("reason" in error ? error.reason._tag : error, "NoReply")
    }).pipe(Effect.provide(Layer.provide(EventBus.layer, MemoryBroker.layer())))
  )
})
