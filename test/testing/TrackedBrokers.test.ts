import { AmqpBroker } from "@effect-eventbus/amqp"
import { Tracker } from "@effect-eventbus/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Schedule, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { inject } from "vitest"
import * as Rig from "../amqp/support/Rig.ts"

const url = inject("rabbitUrl")

const Order = Schema.Struct({ orderId: Schema.String })
const OrderPlaced = EventType.make("order.placed", { payload: Order })
const OrderPaid = EventType.make("order.paid", { payload: Order })
const OrderShipped = EventType.make("order.shipped", { payload: Order })

const retryAfter20 = FailurePolicy.retry(Schedule.spaced("20 millis"))

/** A busy machine takes longer than the default. */
const patience = { atMost: "1 minute" } as const

/** Runs a test on RabbitMQ, with a tracked bus and names of its own. */
const test = (name: string, body: (rig: Rig.Rig) => Effect.Effect<void, unknown, TestServices>) =>
  it.live.skipIf(url === null)(name, () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url ?? "", "tracked")
      const layer = Tracker.layer.pipe(Layer.provide(AmqpBroker.layer(rig.options())))
      yield* body(rig).pipe(Effect.scoped, Effect.provide(layer))
    })
  )

type TestServices = Layer.Success<typeof Tracker.layer> | Effect.Services<ReturnType<typeof Rig.make>>

const publish = (type: EventType.EventType<string, typeof Order>, orderId: string) =>
  Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    yield* bus.publish(yield* type.event({ orderId }))
  })

describe("Tracker on RabbitMQ", () => {
  test("waits for all that an effect caused, with retries and dead letters", (rig) =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const billing = Subscription.make(rig.queue("billing", [20]), { events: [OrderPlaced] })
      const shipping = Subscription.make(rig.queue("shipping", [20]), { events: [OrderPaid] })
      yield* bus.subscribe(
        Handler.make(billing, ({ payload }, { attempt }) =>
          attempt < 3 ? Effect.fail("busy") : publish(OrderPaid, payload.orderId)
        ).pipe(Handler.onFailure(retryAfter20))
      )
      yield* bus.subscribe(
        Handler.make(shipping, () => Effect.fail("no such address")).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      const session = yield* Tracker.track(publish(OrderPlaced, "o-1"), { ...patience, due: "5 seconds" })
      assert.deepStrictEqual(
        session.retried.map(({ attempt, delay }) => [attempt, delay]),
        [
          [1, 20],
          [2, 20]
        ]
      )
      assert.deepStrictEqual(
        session.of(OrderPaid).deadLettered.map(({ event, fault }) => [event.payload.orderId, fault?.message]),
        [["o-1", "no such address"]]
      )
      const again = yield* Tracker.track(bus.deadLetters(shipping.name).replay(), patience)
      assert.strictEqual(again.value.done, 1)
      assert.strictEqual(again.deadLettered.length, 1)
      assert.deepStrictEqual(again.waiting, [])
    }))

  test("waits for delayed events", (rig) =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const billing = Subscription.make(rig.queue("billing"), { events: [OrderPlaced] })
      yield* bus.subscribe(Handler.make(billing, () => Effect.void))
      const event = yield* OrderPlaced.event({ orderId: "o-1" })
      const session = yield* Tracker.track(bus.publish(event, { delay: "300 millis" }), {
        ...patience,
        due: "3 seconds"
      })
      assert.deepStrictEqual(
        session.handled.map(({ queue }) => queue),
        [billing.name]
      )
      assert.deepStrictEqual(session.waiting, [])
    }))

  test("keeps sessions apart that run side by side", (rig) =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const billing = Subscription.make(rig.queue("billing"), { events: [OrderPlaced], concurrency: 8 })
      const shipping = Subscription.make(rig.queue("shipping"), { events: [OrderPaid], concurrency: 8 })
      yield* bus.subscribe(Handler.make(billing, ({ payload }) => publish(OrderPaid, payload.orderId)))
      yield* bus.subscribe(Handler.make(shipping, () => Effect.yieldNow))
      const ids = Array.from({ length: 20 }, (_, index) => `o-${index}`)
      const sessions = yield* Effect.forEach(ids, (orderId) => Tracker.track(publish(OrderPlaced, orderId), patience), {
        concurrency: "unbounded"
      })
      for (const [index, session] of sessions.entries()) {
        const orders = session.of(OrderPaid).handled.map(({ event }) => event.payload.orderId)
        assert.deepStrictEqual(orders, [ids[index]])
        assert.strictEqual(session.published.length, 2)
      }
    }))

  test("knows by the trace what another process answers", (rig) =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const reply = yield* Deferred.make<void>()
      const others = yield* rig.bus()
      const theirs = Context.make(EventBus.EventBus, others)
      yield* others.subscribe(
        Handler.make(Subscription.make(rig.queue("theirs"), { events: [OrderPlaced] }), ({ payload }) =>
          Effect.provideContext(publish(OrderShipped, payload.orderId), theirs)
        )
      )
      yield* bus.subscribe(
        Handler.make(Subscription.make(rig.queue("replies"), { events: [OrderShipped] }), () =>
          Deferred.succeed(reply, undefined)
        )
      )
      const asked = Effect.andThen(publish(OrderPlaced, "o-1"), Deferred.await(reply))
      const session = yield* Tracker.track(asked, patience)
      assert.strictEqual(session.of(OrderShipped).handled[0]?.event.payload.orderId, "o-1")
      assert.strictEqual(session.unroutable.length, 0)
    }))
})
