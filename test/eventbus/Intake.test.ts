import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Metric, Schedule, Schema, type Scope } from "effect"
import { Broker, EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"

const Paid = EventType.make("paid", { payload: Schema.Struct({ n: Schema.Int }) })

type Consume = Broker.Broker["Service"]["consume"]

/** Makes a bus on a broker whose `consume` is wrapped. */
const busWith = (wrap: (consume: Consume) => Consume) =>
  Effect.flatMap(Broker.Broker, (broker) =>
    Effect.provideService(EventBus.make, Broker.Broker, { ...broker, consume: wrap(broker.consume) })
  )

const publish = (bus: EventBus.EventBus["Service"], n: number) =>
  Effect.flatMap(Paid.event({ n }), (event) => bus.publish(event))

const run = <A, E>(effect: Effect.Effect<A, E, Broker.Broker | Scope.Scope>) =>
  effect.pipe(
    Effect.scoped,
    Effect.provide(MemoryBroker.layer()),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )

describe("Intake", () => {
  it.effect("a stop during a resume counts the end of the pause once", () =>
    Effect.gen(function* () {
      const bus = yield* busWith(
        (consume) => (spec, deliver) =>
          Effect.map(consume(spec, deliver), ({ cancel }) => ({ cancel: Effect.delay(cancel, "1 second") }))
      )
      const gate = yield* Deferred.make<void>()
      let calls = 0
      const running = yield* bus.subscribe(
        Handler.make(Subscription.make("bills", { events: [Paid] }), () =>
          Effect.suspend(() => (calls++ === 0 ? Effect.fail("down") : Deferred.await(gate)))
        ).pipe(Handler.onFailure(FailurePolicy.pause(Schedule.spaced("1 second"))))
      )
      yield* publish(bus, 1)
      yield* TestClock.adjust("3500 millis")
      assert.strictEqual((yield* running.state)._tag, "Probing")
      yield* Effect.forkChild(running.resume)
      yield* TestClock.adjust("100 millis")
      yield* Effect.forkChild(running.stop)
      yield* TestClock.adjust("1 minute")
      const paused = (yield* Metric.snapshot).find(({ id }) => id === "eventbus_paused")
      assert.deepInclude(paused?.state, { value: 0 })
    }).pipe(run)
  )

  it.effect("a busy at-most-once subscription keeps no consumer of a pause that is over", () =>
    Effect.gen(function* () {
      let open = 0
      const counted = Effect.acquireRelease(
        Effect.sync(() => open++),
        () => Effect.sync(() => open--)
      )
      const bus = yield* busWith((consume) => (spec, deliver) => Effect.andThen(counted, consume(spec, deliver)))
      const handled: Array<number> = []
      const running = yield* bus.subscribe(
        Handler.make(
          Subscription.make("bills", { events: [Paid], guarantee: "at-most-once", concurrency: 3, prefetch: 8 }),
          ({ payload }) =>
            Effect.andThen(
              Effect.sleep("1 second"),
              Effect.sync(() => handled.push(payload.n))
            )
        )
      )
      let n = 0
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.delay(
            Effect.suspend(() => publish(bus, n++)),
            "300 millis"
          )
        )
      )
      for (let i = 0; i < 10; i++) {
        yield* TestClock.adjust("2500 millis")
        yield* running.pause()
        yield* TestClock.adjust("100 millis")
        yield* running.resume
      }
      yield* TestClock.adjust("10 seconds")
      const left = open
      yield* Effect.forkChild(running.stop)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(left, 1)
      // What it held when it was paused was handled all the same.
      assert.deepStrictEqual(
        handled,
        handled.map((_, i) => i)
      )
      assert.isAtLeast(handled.length, 100)
    }).pipe(run)
  )
})
