import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Metric } from "effect"
import { FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"
import { eventually } from "../support/eventually.ts"
import * as Site from "./Site.ts"

/** A console with a clock and metrics of its own. */
const console = Effect.gen(function* () {
  const clock = yield* TestClock.make()
  const own = Context.make(Clock.Clock, clock).pipe(Context.add(Metric.MetricRegistry, yield* Metric.MetricRegistry))
  const site = yield* Site.make(MemoryBroker.layer(), { queues: ["billing", "mails"] }, own)
  const rates = Effect.map(site.get("/pulse"), ({ body }) => body.rates)
  const feature = Effect.map(site.get("/session"), ({ body }) => body.features.rates)
  return { clock, site, rates, feature }
})

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(Effect.scoped(effect), Metric.MetricRegistry, new Map())

/** Handles events, and fails with those whose number is odd. */
const handleHalf = Effect.fnUntraced(function* ({ bus }: Site.Site) {
  let handled = 0
  const handler = Handler.make(Subscription.make("billing", { events: [Site.Paid], concurrency: 1 }), ({ payload }) =>
    Effect.suspend(() => {
      handled++
      return Number(payload["n"]) % 2 === 0 ? Effect.void : Effect.fail("odd" as const)
    })
  )
  yield* bus.subscribe(handler.pipe(Handler.onFailure(FailurePolicy.discard)))
  return (count: number) =>
    Effect.gen(function* () {
      const until = handled + count
      const numbers = Array.from({ length: count }, (_, n) => n)
      yield* bus.publishAll(yield* Effect.forEach(numbers, (n) => Site.Paid.event({ n })))
      yield* eventually(
        "all are handled and counted",
        Effect.map(Metric.snapshot, (all) => {
          const counted = all.flatMap(({ id, type, state }) =>
            type === "Counter" && /^eventbus_(handled|failed)_total$/.test(id) ? [Number(state.count)] : []
          )
          return handled === until && counted.reduce((sum, count) => sum + count, 0) === until
        })
      )
    })
})

describe("The rates of the console", () => {
  it.live("are those of the metrics of its process, with the time over which they were counted", () =>
    isolated(
      Effect.gen(function* () {
        const { clock, feature, rates, site } = yield* console
        const publish = yield* handleHalf(site)
        // What was before the first reading is no part of a rate.
        yield* publish(6)
        assert.isNotOk(yield* rates)
        yield* publish(40)
        yield* clock.adjust("10 seconds")
        const now = yield* rates
        assert.deepStrictEqual(now.queues, [{ queue: "billing", handled: 2, failed: 2 }])
        assert.deepStrictEqual([now.published, now.over, now.at], [4, 10_000, 10_000])
        assert.deepStrictEqual(yield* feature, { available: true })
      })
    )
  )

  it.live("forget what is older than a minute", () =>
    isolated(
      Effect.gen(function* () {
        const { clock, rates, site } = yield* console
        const publish = yield* handleHalf(site)
        assert.isNotOk(yield* rates)
        yield* publish(100)
        yield* clock.adjust("30 seconds")
        assert.strictEqual((yield* rates).over, 30_000)
        yield* clock.adjust("40 seconds")
        const now = yield* rates
        assert.deepStrictEqual([now.published, now.over], [0, 40_000])
        // Nothing has looked for so long that there is nothing to compare with.
        yield* clock.adjust("2 minutes")
        assert.isNotOk(yield* rates)
      })
    )
  )

  it.live("are not known where the process handles no queue, and the console says why", () =>
    isolated(
      Effect.gen(function* () {
        const { clock, feature, rates, site } = yield* console
        assert.isNotOk(yield* rates)
        yield* site.bus.publish(yield* Site.Paid.event({ n: 1 }))
        yield* clock.adjust("10 seconds")
        assert.isNotOk(yield* rates)
        const { available, reason } = yield* feature
        assert.isFalse(available)
        assert.match(reason, /mount the console in the application/)
      })
    )
  )
})
