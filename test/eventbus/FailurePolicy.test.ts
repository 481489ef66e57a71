import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Random, Schedule, Schema } from "effect"
import { type Event, EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"

class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {}) {}
class Unknown extends Schema.TaggedError<Unknown>()("Unknown", {}) {}

const Ping = EventType.untyped("ping")

/** Returns the decision of a policy: milliseconds until the retry, another settlement, or nothing. */
const decide = <E>(
  policy: FailurePolicy.FailurePolicy<E>,
  cause: Cause.Cause<E>,
  attempt = 1,
  options?: Event.Options
) =>
  Effect.gen(function* () {
    const settlement = yield* policy.decide({ cause, event: yield* Ping.event({}, options), attempt })
    if (settlement === undefined) return "abstains"
    return settlement._tag === "Retry" ? Duration.toMillis(settlement.delay) : settlement._tag
  })

const failed = Cause.fail("no")
const limited = Cause.fail(new RateLimited())

/** Returns the decisions of a policy for the first attempts. */
const decideAll = <E>(policy: FailurePolicy.FailurePolicy<E>, cause: Cause.Cause<E>, attempts: number) =>
  Effect.forEach(Array.from({ length: attempts }), (_, i) => decide(policy, cause, i + 1))

describe("FailurePolicy", () => {
  it.effect("dead-letters, or discards, whatever failed", () =>
    Effect.gen(function* () {
      for (const cause of [failed, Cause.die("a bug"), Cause.empty]) {
        assert.strictEqual(yield* decide(FailurePolicy.deadLetter, cause), "DeadLetter")
        assert.strictEqual(yield* decide(FailurePolicy.discard, cause), "Discard")
      }
    })
  )

  describe("retry", () => {
    const schedules: Readonly<
      Record<string, readonly [schedule: Schedule.Schedule<unknown>, decisions: ReadonlyArray<number | string>]>
    > = {
      "the same delay for ever": [Schedule.spaced("5 seconds"), [5000, 5000, 5000, 5000]],
      "growing delays": [Schedule.exponential("1 second"), [1000, 2000, 4000, 8000]],
      "a number of times": [
        Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 })),
        [1000, 2000, 4000, "abstains", "abstains"]
      ],
      "a duration, as if the delays had passed": [
        Schedule.spaced("10 seconds").pipe(Schedule.upTo({ duration: "25 seconds" })),
        [10_000, 10_000, 10_000, "abstains"]
      ],
      "growing delays with a cap": [
        Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("3 seconds")]),
        [1000, 2000, 3000, 3000]
      ],
      "no time": [Schedule.recurs(0), ["abstains"]]
    }
    for (const [what, [schedule, decisions]] of Object.entries(schedules)) {
      it.effect(`follows a schedule of ${what}, up to the attempt that failed`, () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* decideAll(FailurePolicy.retry(schedule), failed, decisions.length), decisions)
        })
      )
    }

    describe("in the time that it is", () => {
      /** Asks at a time of day in UTC, for an event that failed first at another one. */
      const at = (time: string, attempt = 1, first?: string) =>
        Effect.gen(function* () {
          const millis = (time: string) => Date.parse(`2026-01-15T${time}Z`)
          yield* TestClock.setTime(millis(time))
          const event = yield* Ping.event({})
          const firstFailedAt = first === undefined ? undefined : millis(first)
          return (policy: FailurePolicy.FailurePolicy<unknown>) =>
            Effect.map(policy.decide({ cause: failed, event, attempt, firstFailedAt }), (settlement) =>
              settlement?._tag === "Retry" ? Duration.format(settlement.delay) : settlement
            )
        })
      const nightly = FailurePolicy.retry(Schedule.cron("0 3 * * *", "UTC"))

      it.effect("a retry at three at night waits until three at night, whichever attempt failed", () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* (yield* at("02:56:00"))(nightly), "4m")
          assert.strictEqual(yield* (yield* at("03:20:00"))(nightly), "23h 40m")
          for (const first of [undefined, "00:10:00", "02:59:59"]) {
            assert.strictEqual(yield* (yield* at("03:00:01", 2, first))(nightly), "23h 59m 59s", first)
            assert.strictEqual(yield* (yield* at("03:00:01", 9, first))(nightly), "23h 59m 59s", first)
          }
        })
      )

      it.effect("a limit to the duration includes what handlers and queues took", () =>
        Effect.gen(function* () {
          const policy = FailurePolicy.retry(Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "1 minute" })))
          assert.strictEqual(yield* (yield* at("10:01:00", 3, "10:00:00"))(policy), "1s")
          assert.isUndefined(yield* (yield* at("10:01:01", 3, "10:00:00"))(policy))
          assert.strictEqual(yield* (yield* at("10:01:01", 1, "10:00:00"))(policy), "1s", "a first attempt starts now")
        })
      )

      it.effect("a window is that of the first failure", () =>
        Effect.gen(function* () {
          const policy = FailurePolicy.retry(Schedule.windowed("10 minutes"))
          assert.strictEqual(yield* (yield* at("10:27:00", 3, "10:00:00"))(policy), "3m")
        })
      )

      it.effect("a first failure in the future, as another clock has it, counts for nothing", () =>
        Effect.gen(function* () {
          const policy = FailurePolicy.retry(Schedule.exponential("1 second"))
          assert.strictEqual(yield* (yield* at("10:00:00", 3, "11:00:00"))(policy), "4s")
        })
      )

      it.effect("handlers that take long use up a limit to the duration, and dead letters that are old do not", () =>
        Effect.gen(function* () {
          const bus = yield* EventBus.EventBus
          const memory = yield* MemoryBroker.MemoryBroker
          const minute = FailurePolicy.retry(Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "1 minute" })))
          const slow = (queue: string) =>
            Handler.make(Subscription.make(queue, { events: [Ping] }), () =>
              Effect.andThen(Effect.sleep("40 seconds"), Effect.fail("no"))
            ).pipe(Handler.onFailure(minute))
          yield* bus.subscribe(slow("q"))
          yield* bus.publish(yield* Ping.event({}))
          yield* TestClock.adjust("1 hour")
          const [dead] = yield* memory.expect("dlq.q", 1)
          assert.strictEqual(dead?.fault?.attempts, 3)
          const again = Handler.make(Subscription.make("dlq.q", { events: [Ping] }), (_, { attempt }) =>
            attempt < 3 ? Effect.fail("no") : Effect.void
          ).pipe(Handler.onFailure(minute))
          yield* bus.subscribe(again)
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual(yield* memory.peek("dlq.q"), [])
          assert.deepStrictEqual(yield* memory.peek("dlq.dlq.q"), [])
        }).pipe(Effect.scoped, Effect.provide(EventBus.layerMemory))
      )

      it.effect("a schedule that fails itself abstains", () =>
        Effect.gen(function* () {
          const policy = FailurePolicy.retry(Schedule.cron("never"))
          assert.isUndefined(yield* (yield* at("10:00:00"))(policy))
        })
      )
    })

    it.effect("forgets nothing and remembers nothing from one event to the next", () =>
      Effect.gen(function* () {
        const policy = FailurePolicy.retry(Schedule.exponential("1 second"))
        for (const [attempt, delay] of [
          [3, 4000],
          [1, 1000],
          [3, 4000]
        ] as const) {
          assert.strictEqual(yield* decide(policy, failed, attempt), delay)
        }
      })
    )

    it.effect("gives the failure to the schedule", () =>
      Effect.gen(function* () {
        const whileLimited = Schedule.spaced("1 second").pipe(
          Schedule.setInputType<Cause.Cause<RateLimited | Unknown>>(),
          Schedule.while(({ input }) => input.toString().includes("RateLimited"))
        )
        const policy = FailurePolicy.retry(whileLimited)
        assert.strictEqual(yield* decide(policy, limited, 2), 1000)
        assert.strictEqual(yield* decide(policy, Cause.fail(new Unknown()), 2), "abstains")
      })
    )

    it.effect("does not count to an impossible attempt", () =>
      Effect.gen(function* () {
        let steps = 0
        const counting = Schedule.forever.pipe(Schedule.tap(() => Effect.sync(() => void steps++)))
        const policy = FailurePolicy.retry(counting).pipe(FailurePolicy.orElse(FailurePolicy.deadLetter))
        for (const attempt of [10_000, 1e9, Number.MAX_SAFE_INTEGER, Infinity]) {
          assert.strictEqual(yield* decide(policy, failed, attempt), "DeadLetter")
        }
        assert.isAtMost(steps, 3000)
      })
    )

    it.effect("takes an impossible attempt for the first", () =>
      Effect.gen(function* () {
        const policy = FailurePolicy.retry(Schedule.exponential("1 second"))
        for (const attempt of [0, -1, -1e9, 0.5]) assert.strictEqual(yield* decide(policy, failed, attempt), 1000)
      })
    )
  })

  describe("retryUpToMax", () => {
    /** Random numbers that are always the same one. */
    const always = (value: number) =>
      Effect.provideService(Random.Random, { nextDoubleUnsafe: () => value, nextIntUnsafe: () => 0 })

    for (const [random, factor] of [
      [0, 0.8],
      [0.5, 1],
      [1, 1.2]
    ] as const) {
      it.effect(`doubles the delay up to a minute, times ${factor} for a random number of ${random}`, () =>
        Effect.gen(function* () {
          const bases = [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
          for (const [i, base] of bases.entries()) {
            const delay = yield* decide(FailurePolicy.retryUpToMax, failed, i + 1, { maxRetries: 100 })
            assert.closeTo(Number(delay), base * factor, 0.001)
          }
        }).pipe(always(random))
      )
    }

    it.effect("gives no two events the same delay", () =>
      Effect.gen(function* () {
        const delays = yield* Effect.forEach(Array.from({ length: 100 }), () =>
          decide(FailurePolicy.retryUpToMax, failed)
        )
        assert.strictEqual(new Set(delays).size, 100)
        for (const delay of delays) assert.isTrue(Number(delay) >= 800 && Number(delay) <= 1200, `${delay}`)
      })
    )

    for (const maxRetries of [0, 1, 3]) {
      it.effect(`abstains after the ${maxRetries} retries that the event allows`, () =>
        Effect.gen(function* () {
          const last = yield* decide(FailurePolicy.retryUpToMax, failed, maxRetries, { maxRetries })
          assert.isNumber(last)
          assert.strictEqual(
            yield* decide(FailurePolicy.retryUpToMax, failed, maxRetries + 1, { maxRetries }),
            "abstains"
          )
        })
      )
    }

    it.effect("abstains for a forged attempt or number of retries, and never waits more than 72 seconds", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* decide(FailurePolicy.retryUpToMax, failed, 1e9), "abstains")
        assert.strictEqual(yield* decide(FailurePolicy.retryUpToMax, failed, 1001, { maxRetries: 1e9 }), "abstains")
        const delay = yield* decide(FailurePolicy.retryUpToMax, failed, 1000, { maxRetries: 1e9 })
        assert.isAtMost(Number(delay), 72_000)
      })
    )
  })

  describe("orElse", () => {
    const twice = FailurePolicy.retry(Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 })))

    it.effect("asks the second policy where the first one abstains", () =>
      Effect.gen(function* () {
        const policy = twice.pipe(FailurePolicy.orElse(FailurePolicy.discard))
        assert.deepStrictEqual(yield* decideAll(policy, failed, 4), [1000, 1000, "Discard", "Discard"])
        assert.deepStrictEqual(yield* decideAll(FailurePolicy.orElse(FailurePolicy.discard, twice), failed, 1), [
          "Discard"
        ])
      })
    )

    it.effect("abstains where both do", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* decide(FailurePolicy.orElse(twice, twice), failed, 3), "abstains")
      })
    )
  })

  describe("tags", () => {
    const policy = FailurePolicy.tags({
      RateLimited: FailurePolicy.retry(Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 1 }))),
      Unknown: FailurePolicy.discard
    })

    it.effect("answers each error by its tag", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* decideAll(policy, limited, 2), [1000, "abstains"])
        assert.strictEqual(yield* decide(policy, Cause.fail(new Unknown())), "Discard")
      })
    )

    it.effect("dead-letters a defect at once, unless it has an answer to defects", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* decide(policy, Cause.die(new Error("a bug"))), "DeadLetter")
        assert.strictEqual(yield* decide(policy, Cause.die(new Unknown())), "DeadLetter", "a defect is no error")
        const lenient = FailurePolicy.tags({ Unknown: FailurePolicy.deadLetter }, { defect: FailurePolicy.discard })
        assert.strictEqual(yield* decide(lenient, Cause.die(new Error("a bug"))), "Discard")
      })
    )

    it.effect("prefers the error to the defect of the same cause", () =>
      Effect.gen(function* () {
        const both = Cause.combine(Cause.die("a bug"), Cause.fail(new Unknown()))
        assert.strictEqual(yield* decide(policy, both), "Discard")
      })
    )

    it.effect("retries an error that the types did not know of, up to the event's own limit", () =>
      Effect.gen(function* () {
        for (const error of [{ _tag: "toString" }, { _tag: "Other" }, "no tag", null]) {
          const cause = Cause.fail(error as unknown as Unknown)
          assert.isNumber(yield* decide(policy, cause, 3))
          assert.strictEqual(yield* decide(policy, cause, 4), "abstains")
        }
      })
    )
  })

  it("says which errors it tells apart", () => {
    const byTag = FailurePolicy.tags({ RateLimited: FailurePolicy.retryUpToMax, Unknown: FailurePolicy.deadLetter })
    assert.deepStrictEqual(byTag.cases, ["RateLimited", "Unknown"])
    assert.deepStrictEqual(FailurePolicy.orElse(byTag, FailurePolicy.tags({ Unknown: FailurePolicy.discard })).cases, [
      "RateLimited",
      "Unknown"
    ])
    assert.deepStrictEqual(FailurePolicy.retryUpToMax.cases, [])
  })
})
