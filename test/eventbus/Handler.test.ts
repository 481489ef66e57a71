import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Settlement, Subscription } from "effect-eventbus"
import type { Event } from "effect-eventbus"
import { TestClock } from "effect/testing"

const Ping = EventType.untyped("ping")
const pings = Subscription.make("pings", { events: [Ping] })
const handler = Handler.make(pings, () => Effect.fail("no"))

describe("Handler", () => {
  it("says, from the inside out, what has a part in its failures", () => {
    const steps = handler.pipe(
      Handler.timeout("30 seconds"),
      Handler.tap(() => Effect.void),
      Handler.onFailure(FailurePolicy.discard),
      Handler.provide(Layer.empty)
    ).steps
    assert.deepStrictEqual(steps, [
      { _tag: "Timeout", duration: Duration.seconds(30) },
      { _tag: "OnFailure", policy: FailurePolicy.discard }
    ])
    assert.deepStrictEqual(handler.steps, [])
  })

  it.effect("is wrapped from the inside out, by what is made once for each start of its subscription", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const seen: Array<string> = []
      const step = (name: string) => {
        return <Ev extends Event.Event, E, R>(handle: Handler.Handle<Ev, E, R>): Handler.Handle<Ev, E, R> => {
          seen.push(`${name} made`)
          return (delivery) =>
            Effect.ensuring(
              Effect.andThen(
                Effect.sync(() => seen.push(`${name} ${delivery.attempt}`)),
                handle(delivery)
              ),
              Effect.sync(() => seen.push(`${name} left`))
            )
        }
      }
      const wrapped = Handler.make(pings, () => Effect.sync(() => seen.push("handled"))).pipe(
        Handler.around(step("inner"), { name: "inner" }),
        Handler.around(step("outer"))
      )
      assert.deepStrictEqual(wrapped.steps, [{ _tag: "Around", name: "inner" }])
      yield* bus.subscribe(wrapped)
      for (let i = 0; i < 2; i++) {
        yield* bus.publish(yield* Ping.event({}))
        yield* TestClock.adjust(0)
      }
      const once = ["outer 1", "inner 1", "handled", "inner left", "outer left"]
      assert.deepStrictEqual(seen, ["inner made", "outer made", ...once, ...once])
    }).pipe(Effect.scoped, Effect.provide(EventBus.layerMemory))
  )

  it.effect("is skipped by what is around it, and the event is acknowledged all the same", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      let handled = 0
      const counting = Handler.make(pings, () => Effect.sync(() => ++handled))
      yield* bus.subscribe(Handler.around(counting, () => () => Effect.succeed(Settlement.ack)))
      yield* bus.publish(yield* Ping.event({}))
      yield* TestClock.adjust(0)
      assert.strictEqual(handled, 0)
      assert.deepStrictEqual(yield* memory.peek("pings"), [])
    }).pipe(Effect.scoped, Effect.provide(EventBus.layerMemory))
  )

  it("is told from a subscription and an event type, and each of them from anything else", () => {
    const guards = [Handler.isHandler, Subscription.isSubscription, EventType.isEventType]
    const values: ReadonlyArray<unknown> = [handler, pings, Ping]
    for (const [i, is] of guards.entries()) {
      assert.deepStrictEqual(values.map(is), [i === 0, i === 1, i === 2])
      for (const other of [undefined, null, "pings", {}, [handler], () => handler]) assert.isFalse(is(other))
    }
  })
})
