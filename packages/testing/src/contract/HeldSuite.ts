import { assert } from "@effect/vitest"
import { EventBus, FailurePolicy, Handler } from "effect-eventbus"
import type { DecodedDelivery } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { handling, numbersOf, ordered, parked, publish } from "./OrderedFixture.ts"
import { eventually } from "./Patience.ts"
import { messages, recorder } from "./Recorder.ts"
import { suite, unique } from "./Suite.ts"
import { Flaky, TaskDone } from "./TestEvents.ts"

export const heldSuite = suite("events that are held in their place", (test) => {
  test("a failing event is retried in its place, and blocks its own key alone", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const { attempts, broken, handler, has, of } = yield* handling(queue, { times: 1000, holdFor: "1 minute" })
      broken.add(1)
      yield* bus.subscribe(handler)
      yield* publish(1, 11, 2, 12)
      yield* has(2, 12)
      yield* eventually(
        Effect.sync(() => attempts.filter((n) => n === 1).length),
        (count) => count > 2
      )
      assert.notInclude(attempts, 11)
      broken.clear()
      yield* has(1, 11)
      assert.deepStrictEqual(of(1), [1, 11])
    }))

  test("its attempts are counted as those of other events, also in its dead letter", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const seen = yield* recorder<DecodedDelivery.DecodedDelivery>()
      yield* bus.subscribe(
        Handler.make(ordered(queue), (event, delivery) =>
          Effect.andThen(seen.push(delivery), Effect.fail(new Flaky(event.payload)))
        ).pipe(
          Handler.onFailure(
            FailurePolicy.tags({
              Flaky: FailurePolicy.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 2 })))
            })
          )
        )
      )
      yield* publish(1)
      const deliveries = yield* seen.takeN(3)
      assert.deepStrictEqual(
        deliveries.map(({ attempt, envelope, event }) => [attempt, event.retryCount, envelope.fault?.attempts]),
        [
          [1, 0, undefined],
          [2, 1, 1],
          [3, 2, 2]
        ]
      )
      yield* eventually(messages(`dlq.${queue}`), (n) => n === 1)
      const [letter] = (yield* parked(queue)).letters
      assert.strictEqual(JSON.parse(new TextDecoder().decode(letter?.envelope.body)).retry_count, 2)
      assert.deepInclude(letter?.envelope.fault, { reason: "Flaky", attempts: 3 })
    }))

  test("one that expires between two attempts is a dead letter by itself, and parks nothing", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const queue = yield* unique("ordered")
      const handled = yield* recorder<number>()
      yield* bus.subscribe(
        Handler.make(ordered(queue), ({ payload }) =>
          Effect.andThen(handled.push(payload.n), payload.n === 1 ? Effect.fail(new Flaky(payload)) : Effect.void)
        ).pipe(
          Handler.onFailure(
            FailurePolicy.tags({
              Flaky: FailurePolicy.retry(Schedule.spaced("1500 millis").pipe(Schedule.upTo({ times: 2 })))
            })
          )
        )
      )
      yield* bus.publish(yield* TaskDone.event({ n: 1 }, { ttlSeconds: 1 }))
      yield* publish(11)
      assert.deepStrictEqual(yield* handled.takeN(2), [1, 11])
      const { letters } = yield* parked(queue)
      assert.deepStrictEqual(numbersOf(letters), [1])
      for (const { envelope } of letters) {
        assert.isUndefined(envelope.key)
        assert.deepInclude(envelope.fault, { reason: "expired", attempts: 1 })
      }
    }))
})
