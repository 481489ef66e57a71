import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Queue } from "effect"
import { EventBus, EventType, Handler, MemoryBroker, Subscription } from "effect-eventbus"

const Ping = EventType.untyped("ping")

const busOn = () => EventBus.layer.pipe(Layer.provide(MemoryBroker.layer()))

/** Publishes one event on the bus it is given, and handles what that bus has. */
const member = (name: string, handled: Queue.Queue<string>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(
        Handler.make(Subscription.make(name, { events: [Ping] }), ({ payload }) =>
          Queue.offer(handled, `${name} handles that of ${payload["from"]}`)
        )
      )
      yield* bus.publish(yield* Ping.event({ from: name }))
    })
  )

describe("Two buses in one application", () => {
  it.effect("have nothing to do with each other, where each is given its own broker", () =>
    Effect.gen(function* () {
      const handled = yield* Queue.unbounded<string>()
      yield* Layer.build(
        Layer.merge(
          member("one", handled).pipe(Layer.provide(busOn())),
          member("two", handled).pipe(Layer.provide(busOn()))
        )
      )
      assert.sameMembers(yield* Queue.takeN(handled, 2), ["one handles that of one", "two handles that of two"])
      assert.strictEqual(yield* Queue.size(handled), 0)
    })
  )

  it.effect("are one where they are given as one layer", () =>
    Effect.gen(function* () {
      const seen: Array<EventBus.EventBus["Service"]> = []
      const bus = busOn()
      const user = () =>
        Layer.effectDiscard(Effect.map(EventBus.EventBus, (bus) => seen.push(bus))).pipe(Layer.provide(bus))
      yield* Layer.build(Layer.merge(user(), user()))
      assert.lengthOf(seen, 2)
      assert.strictEqual(seen[0], seen[1])
    })
  )

  it.effect("are told apart by services of their own", () =>
    Effect.gen(function* () {
      class Billing extends Context.Service<Billing, EventBus.EventBus["Service"]>()("test/Billing") {}
      const handled = yield* Queue.unbounded<string>()
      const handler = Handler.make(Subscription.make("pings", { events: [Ping] }), ({ payload }) =>
        Queue.offer(handled, `billing handles that of ${payload["from"]}`)
      )
      const Handlers = EventBus.subscriber(handler).pipe(Layer.provide(Layer.effect(EventBus.EventBus, Billing)))
      const BillingLive = Layer.effect(Billing, EventBus.make).pipe(Layer.provide(MemoryBroker.layer()))
      const context = yield* Layer.build(Handlers.pipe(Layer.provideMerge(Layer.merge(busOn(), BillingLive))))
      const bus = Context.get(context, EventBus.EventBus)
      const billing = Context.get(context, Billing)
      yield* bus.publish(yield* Ping.event({ from: "the bus" }))
      yield* billing.publish(yield* Ping.event({ from: "billing" }))
      assert.strictEqual(yield* Queue.take(handled), "billing handles that of billing")
      assert.strictEqual(yield* Queue.size(handled), 0)
    })
  )
})
