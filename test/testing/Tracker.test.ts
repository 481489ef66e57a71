import { Tracker } from "@effect-eventbus/testing"
import { assert, describe, it, layer, vi } from "@effect/vitest"
import { Clock, Deferred, type Duration, Effect, Exit, Layer, Schedule, Schema, type Scope, Stream } from "effect"
import {
  Broker,
  Correlation,
  Event,
  EventBus,
  EventType,
  FailurePolicy,
  Handler,
  MemoryBroker,
  Settlement,
  Subscription
} from "effect-eventbus"
import { envelope } from "../eventbus/BareBroker.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {
  override get message(): string {
    return "the card service is busy"
  }
}

const Order = Schema.Struct({ orderId: Schema.String })
const OrderPlaced = EventType.make("order.placed", { payload: Order })
const OrderPaid = EventType.make("order.paid", { payload: Order })
const OrderShipped = EventType.make("order.shipped", { payload: Order })

const placed = (options?: Subscription.Options) => Subscription.make("billing", { events: [OrderPlaced], ...options })

const publish = (type: EventType.EventType<string, typeof Order>, orderId = "o-1") =>
  Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    yield* bus.publish(yield* type.event({ orderId }))
  })

const subscribe = <E>(handler: Handler.Handler<EventType.EventOf<typeof OrderPlaced>, E, EventBus.EventBus>) =>
  Effect.flatMap(EventBus.EventBus, (bus) => bus.subscribe(handler))

const backoff = FailurePolicy.retry(Schedule.exponential("1 second"))
const once = FailurePolicy.retry(Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 1 })))

type TestServices = Layer.Success<typeof Tracker.layerMemory> | Scope.Scope

/** Runs a test on a bus of its own, by the test clock. */
const test = (name: string, body: () => Effect.Effect<void, unknown, TestServices>) =>
  it.effect(name, () => Effect.provide(Effect.scoped(body()), Tracker.layerMemory))

describe("Tracker", () => {
  test("walks the clock to a delayed event, which is delivered when it is due and no sooner", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const arrivals: Array<number> = []
      yield* bus.subscribe(
        Handler.make(placed(), () => Effect.map(Clock.currentTimeMillis, (now) => arrivals.push(now)))
      )
      const event = yield* OrderPlaced.event({ orderId: "o-1" })
      const session = yield* Tracker.track(bus.publish(event, { delay: "1 hour" }), { due: "2 hours" })
      assert.strictEqual(session.of(OrderPlaced).handled.length, 1)
      assert.deepStrictEqual(arrivals, [3_600_000])
    }))

  test("tells what was published and handled, by the type of the event", () =>
    Effect.gen(function* () {
      yield* subscribe(Handler.make(placed(), ({ payload }) => publish(OrderPaid, payload.orderId)))
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(Handler.make(Subscription.make("shipping", { events: [OrderPaid] }), () => Effect.void))
      const session = yield* Tracker.track(Effect.as(publish(OrderPlaced, "o-7"), 42))
      assert.strictEqual(session.value, 42)
      assert.strictEqual(session.published.length, 2)
      const [handled, ...others] = session.of(OrderPaid).handled
      assert.deepStrictEqual(others, [])
      assert.strictEqual(handled?.event.payload.orderId, "o-7")
      assert.strictEqual(handled?.queue, "shipping")
      assert.strictEqual(handled?.event.traceId, session.traceId)
      assert.deepStrictEqual(session.of(OrderShipped).published, [])
    }))

  describe("with events that are pending elsewhere", () => {
    /** A table of events, and a relay that publishes them when it is woken. */
    const outbox = Effect.gen(function* () {
      const rows: Array<EventType.EventOf<typeof OrderPaid>> = []
      const bus = yield* EventBus.EventBus
      const write = (orderId: string) =>
        Effect.flatMap(OrderPaid.event({ orderId }), (event) =>
          Effect.map(Correlation.Current, (correlation) => void rows.push(Event.correlate(event, correlation)))
        )
      const relay = Effect.suspend(() =>
        Effect.forEach(rows.slice(), (event) =>
          Effect.andThen(
            bus.publish(event),
            Effect.sync(() => rows.shift())
          )
        )
      )
      yield* subscribe(Handler.make(placed(), ({ payload }) => write(payload.orderId)))
      yield* bus.subscribe(Handler.make(Subscription.make("shipping", { events: [OrderPaid] }), () => Effect.void))
      return { rows, relay }
    })

    test("ends before they are published, unless they are counted", () =>
      Effect.gen(function* () {
        const { rows } = yield* outbox
        const session = yield* Tracker.track(publish(OrderPlaced))
        assert.lengthOf(rows, 1)
        assert.deepStrictEqual(session.of(OrderPaid).published, [])
      }))

    test("goes on until none is left, and what comes of them is settled", () =>
      Effect.gen(function* () {
        const { relay, rows } = yield* outbox
        const woken = yield* Deferred.make<void>()
        yield* Effect.forkScoped(Effect.andThen(Deferred.await(woken), relay))
        let asked = 0
        const pending = Effect.suspend(() =>
          Effect.as(++asked === 3 ? Deferred.succeed(woken, undefined) : Effect.void, rows.length)
        )
        const session = yield* Tracker.track(publish(OrderPlaced), { pending })
        assert.strictEqual(session.of(OrderPaid).handled.length, 1)
        assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      }))

    test("moves the clock if that alone is missing, no further than the time that is allowed", () =>
      Effect.gen(function* () {
        const { relay, rows } = yield* outbox
        yield* Effect.forkScoped(Effect.delay(relay, "5 seconds"))
        const pending = Effect.sync(() => rows.length)
        const tooLate = yield* Effect.flip(
          Tracker.track(publish(OrderPlaced), { pending, due: "4 seconds", atMost: "500 millis" })
        )
        assert.strictEqual(tooLate._tag, "Unsettled")
        const session = yield* Tracker.track(publish(OrderPlaced, "o-2"), { pending, due: "1 minute" })
        assert.strictEqual(session.of(OrderPaid).handled[0]?.event.payload.orderId, "o-2")
        assert.strictEqual(yield* Clock.currentTimeMillis, 5000)
      }))

    test("fails with the error of their count", () =>
      Effect.gen(function* () {
        const pending = Effect.fail("no such table")
        assert.strictEqual(yield* Effect.flip(Tracker.track(Effect.void, { pending })), "no such table")
      }))
  })

  test("goes from one retry to the next by the test clock, no further than the time that is allowed", () =>
    Effect.gen(function* () {
      yield* subscribe(Handler.make(placed(), () => Effect.fail(new Busy())).pipe(Handler.onFailure(backoff)))
      const session = yield* Tracker.track(publish(OrderPlaced), { due: "4 seconds" })
      assert.deepStrictEqual(
        session.retried.map(({ attempt, delay, fault }) => [attempt, delay, fault?.reason]),
        [
          [1, 1000, "Busy"],
          [2, 2000, "Busy"],
          [3, 4000, "Busy"]
        ]
      )
      assert.deepStrictEqual(session.deadLettered, [])
      assert.deepStrictEqual(
        session.waiting.map(({ dueIn, queue }) => [queue, dueIn]),
        [["billing", 4000]]
      )
      assert.strictEqual(yield* Effect.clockWith((clock) => clock.currentTimeMillis), 3000)
    }))

  test("leaves retries alone where no time is allowed", () =>
    Effect.gen(function* () {
      yield* subscribe(Handler.make(placed(), () => Effect.fail(new Busy())).pipe(Handler.onFailure(backoff)))
      const session = yield* Tracker.track(publish(OrderPlaced))
      assert.strictEqual(session.retried.length, 1)
      assert.strictEqual(session.waiting[0]?.dueIn, 1000)
    }))

  test("goes on to delayed events, which come to the queues that are bound for them then", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const delayed = (orderId: string, delay: string & Duration.Input) =>
        Effect.flatMap(OrderPlaced.event({ orderId }), (event) => bus.publish(event, { delay }))
      const start = Effect.gen(function* () {
        yield* delayed("soon", "1 hour")
        yield* delayed("late", "3 hours")
        yield* subscribe(Handler.make(placed(), () => publish(OrderShipped)))
      })
      const session = yield* Tracker.track(start, { due: "2 hours" })
      assert.deepStrictEqual(
        session.of(OrderPlaced).handled.map(({ event }) => event.payload.orderId),
        ["soon"]
      )
      assert.strictEqual(session.of(OrderShipped).unroutable.length, 1)
      assert.deepStrictEqual(
        session.waiting.map(({ dueIn, queue }) => [queue, dueIn]),
        [[undefined, 7_200_000]]
      )
      assert.include(session.timeline, "delayed by 1h")
      assert.include(session.timeline, "due in 2h")
    }))

  test("tells which delayed events no queue was bound for when they were due", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const event = yield* OrderPlaced.event({ orderId: "o-1" })
      const session = yield* Tracker.track(bus.publish(event, { delay: "1 hour" }), { due: "2 hours" })
      assert.deepStrictEqual([session.unroutable.length, session.waiting.length], [1, 0])
    }))

  test("tells why an event became a dead letter, and which were dropped", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* subscribe(
        Handler.make(placed(), () => Effect.fail(new Busy())).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      yield* bus.subscribe(
        Handler.make(Subscription.make("audit", { events: [OrderPlaced] }), () => Effect.fail(new Busy())).pipe(
          Handler.onFailure(FailurePolicy.discard)
        )
      )
      const session = yield* Tracker.track(publish(OrderPlaced))
      assert.deepStrictEqual(
        session.deadLettered.map(({ fault, queue }) => [queue, fault?.message]),
        [["billing", "the card service is busy"]]
      )
      assert.deepStrictEqual(
        session.discarded.map(({ queue }) => queue),
        ["audit"]
      )
      assert.deepStrictEqual(session.handled, [])
      assert.deepStrictEqual(session.waiting, [])
    }))

  test("tells which events no queue was bound for, and which wait for a handler", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.declare(placed())
      const session = yield* Tracker.track(Effect.andThen(publish(OrderShipped), publish(OrderPlaced)))
      assert.deepStrictEqual(
        session.unroutable.map(({ eventType }) => eventType),
        ["order.shipped"]
      )
      assert.strictEqual(session.of(OrderShipped).unroutable[0]?.payload.orderId, "o-1")
      assert.deepStrictEqual(
        session.waiting.map(({ dueIn, queue }) => [queue, dueIn]),
        [["billing", undefined]]
      )
    }))

  test("waits for a handler that waits for something real", () =>
    Effect.gen(function* () {
      const real = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 120)))
      yield* subscribe(Handler.make(placed(), () => real).pipe(Handler.tap(() => publish(OrderPaid))))
      const session = yield* Tracker.track(publish(OrderPlaced))
      assert.strictEqual(session.handled.length, 1)
      assert.strictEqual(session.of(OrderPaid).published.length, 1)
    }))

  test("lets a handler sleep by the test clock", () =>
    Effect.gen(function* () {
      yield* subscribe(
        Handler.make(placed(), () => Effect.sleep("3 seconds")).pipe(
          Handler.tap(() => Effect.promise(() => Promise.resolve())),
          Handler.tap(() => Effect.sleep("2 seconds"))
        )
      )
      const session = yield* Tracker.track(publish(OrderPlaced), { due: "1 minute" })
      assert.strictEqual(session.handled.length, 1)
      assert.strictEqual(yield* Effect.clockWith((clock) => clock.currentTimeMillis), 5000)
    }))

  test("runs the timeout of a handler", () =>
    Effect.gen(function* () {
      yield* subscribe(
        Handler.make(placed(), () => Effect.never).pipe(
          Handler.timeout("30 seconds"),
          Handler.onFailure(FailurePolicy.deadLetter)
        )
      )
      const session = yield* Tracker.track(publish(OrderPlaced), { due: "1 minute" })
      assert.strictEqual(session.deadLettered[0]?.fault?.reason, "TimeoutError")
    }))

  test("lets the effect itself wait for what its events cause", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const reply = yield* Deferred.make<string>()
      yield* subscribe(
        Handler.make(placed(), ({ payload }, { attempt }) =>
          attempt === 1 ? Effect.fail(new Busy()) : publish(OrderPaid, payload.orderId)
        ).pipe(Handler.onFailure(once))
      )
      yield* bus.subscribe(
        Handler.make(Subscription.make("replies", { events: [OrderPaid] }), ({ payload }) =>
          Deferred.succeed(reply, payload.orderId)
        )
      )
      const ask = Effect.andThen(publish(OrderPlaced, "o-9"), Effect.timeout(Deferred.await(reply), "10 seconds"))
      const session = yield* Tracker.track(ask, { due: "1 minute" })
      assert.strictEqual(session.value, "o-9")
      assert.strictEqual(yield* Effect.clockWith((clock) => clock.currentTimeMillis), 1000)
    }))

  test("waits for what a fiber does that a handler has woken", () =>
    Effect.gen(function* () {
      const woken = yield* Deferred.make<string>()
      yield* subscribe(Handler.make(placed(), ({ payload }) => Deferred.succeed(woken, payload.orderId)))
      const hops = Effect.repeat(
        Effect.promise(() => Promise.resolve()),
        { times: 3 }
      )
      const own = Effect.tap(Deferred.await(woken), hops).pipe(Effect.flatMap((id) => publish(OrderShipped, id)))
      const session = yield* Tracker.track(Effect.andThen(Effect.forkScoped(own), publish(OrderPlaced)))
      assert.strictEqual(session.of(OrderShipped).unroutable.length, 1)
    }))

  it.effect("tells which events were not published, and why", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.declare(placed())
      // The effect does not wait for the second one, but the session does.
      const both = Effect.andThen(publish(OrderPlaced), Effect.forkScoped(publish(OrderPlaced, "o-2")))
      const session = yield* Tracker.track(both, { due: "1 minute" })
      assert.strictEqual(session.waiting.length, 1)
      assert.include(session.timeline, "it was not published: Blocked")
    }).pipe(Effect.provide(Tracker.layer.pipe(Layer.provide(MemoryBroker.layer({ capacity: 1 })))))
  )

  test("keeps sessions apart that run side by side", () =>
    Effect.gen(function* () {
      yield* subscribe(
        Handler.make(placed({ concurrency: 3 }), ({ payload }, { attempt }) =>
          attempt < 3
            ? Effect.fail(new Busy())
            : Effect.forEach([1, 2, 3], () => publish(OrderPaid, payload.orderId), { discard: true })
        )
      )
      const bus = yield* EventBus.EventBus
      yield* bus.subscribe(Handler.make(Subscription.make("shipping", { events: [OrderPaid] }), () => Effect.yieldNow))
      const ids = Array.from({ length: 20 }, (_, index) => `o-${index}`)
      const sessions = yield* Effect.forEach(
        ids,
        (orderId) => Tracker.track(publish(OrderPlaced, orderId), { due: "1 minute" }),
        { concurrency: "unbounded" }
      )
      for (const [index, session] of sessions.entries()) {
        const orders = session.of(OrderPaid).handled.map(({ event }) => event.payload.orderId)
        assert.deepStrictEqual(orders, Array(3).fill(ids[index]))
        assert.strictEqual(session.published.length, 4)
        assert.strictEqual(session.retried.length, 2)
      }
    }))

  test("does not mix in the events of others, though a session subscribed their handler", () =>
    Effect.gen(function* () {
      const paid = Effect.flatMap(EventBus.EventBus, (bus) =>
        bus.subscribe(Handler.make(placed(), ({ payload }) => publish(OrderPaid, payload.orderId)))
      )
      const others = Effect.andThen(Effect.yieldNow, publish(OrderPlaced, "another"))
      const [session] = yield* Effect.all(
        [Tracker.track(Effect.andThen(paid, publish(OrderPlaced, "mine"))), Effect.andThen(paid, others)],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        session.of(OrderPaid).published.map(({ payload }) => payload.orderId),
        ["mine"]
      )
    }))

  test("waits for a handler that receives events at most once", () =>
    Effect.gen(function* () {
      const slow = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 20)))
      yield* subscribe(Handler.make(placed({ guarantee: "at-most-once" }), () => slow))
      const session = yield* Tracker.track(publish(OrderPlaced))
      assert.strictEqual(session.handled.length, 1)
    }))

  test("sees how the deliveries of a stream are settled", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const stream = Stream.runForEach(bus.stream(placed()), ({ attempt, settle }) =>
        settle(attempt === 1 ? Settlement.retry("5 seconds") : Settlement.ack)
      )
      yield* Effect.forkScoped(stream, { startImmediately: true })
      const session = yield* Tracker.track(publish(OrderPlaced), { due: "5 seconds" })
      assert.strictEqual(session.retried.length, 1)
      assert.deepStrictEqual(
        session.handled.map(({ attempt }) => attempt),
        [2]
      )
    }))

  test("sees the deliveries that are taken from the broker itself", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      yield* broker.consume(placed({ temporary: true }), (delivery) => {
        Effect.runFork(delivery.ack)
      })
      const session = yield* Tracker.track(publish(OrderPlaced))
      assert.strictEqual(session.handled.length, 1)
    }))

  test("follows an event that goes back to its queue", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      let left = 7
      const stream = Stream.runForEach(bus.stream(placed()), ({ settle }) =>
        settle(left-- > 0 ? Settlement.requeue : Settlement.ack)
      )
      yield* Effect.forkScoped(stream, { startImmediately: true })
      const session = yield* Tracker.track(publish(OrderPlaced))
      assert.strictEqual(session.handled.length, 1)
      assert.strictEqual(session.timeline.match(/given back/g)?.length, 7)
    }))

  test("leaves an event in its queue when the subscription stops", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const running = yield* subscribe(
        Handler.make(placed(), () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
      )
      const stopped = publish(OrderPlaced).pipe(Effect.andThen(Deferred.await(started)), Effect.andThen(running.stop))
      const session = yield* Tracker.track(stopped, { due: "1 minute" })
      assert.deepStrictEqual(
        session.waiting.map(({ queue }) => queue),
        ["billing"]
      )
      assert.deepStrictEqual(session.handled, [])
    }))

  test("follows dead letters that are replayed, and those that are handled in their queue", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* subscribe(
        Handler.make(placed(), (_, { envelope }) =>
          envelope.round === 0 ? Effect.fail(new Busy()) : Effect.void
        ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      const session = yield* Tracker.track(publish(OrderPlaced))
      assert.strictEqual(session.deadLettered.length, 1)
      const second = yield* Tracker.track(bus.deadLetters("billing").replay())
      assert.strictEqual(second.value.done, 1)
      assert.strictEqual(second.of(OrderPlaced).handled[0]?.event.payload.orderId, "o-1")
      assert.include(second.timeline, "billing gets it again, from the dead letters")

      yield* bus.subscribe(
        Handler.make(Subscription.make("dlq.billing", { patterns: [] }), () => publish(OrderShipped))
      )
      const third = yield* Tracker.track(publish(OrderPlaced))
      assert.deepStrictEqual(
        third.handled.map(({ queue }) => queue),
        ["dlq.billing"]
      )
      assert.strictEqual(third.of(OrderShipped).published.length, 1)
    }))

  test("tells which events have expired", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* subscribe(Handler.make(placed({ concurrency: 1 }), () => Effect.sleep("10 seconds")))
      const both = Effect.andThen(
        publish(OrderPlaced, "first"),
        Effect.flatMap(OrderPlaced.event({ orderId: "second" }, { ttlSeconds: 5 }), bus.publish)
      )
      const session = yield* Tracker.track(both, { due: "1 minute" })
      assert.deepStrictEqual(
        session.of(OrderPlaced).deadLettered.map(({ event, fault }) => [event.payload.orderId, fault?.reason]),
        [["second", "expired"]]
      )
      assert.strictEqual(session.handled.length, 1)
    }))

  test("follows an event that has expired to the handler of its dead letters", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* bus.declare(placed())
      const slow = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 60)))
      yield* bus.subscribe(Handler.make(Subscription.make("dlq.billing", { patterns: [] }), () => slow))
      const event = yield* OrderPlaced.event({ orderId: "o-1" }, { ttlSeconds: 5 })
      const session = yield* Tracker.track(bus.publish(event), { due: "1 minute" })
      assert.deepStrictEqual(
        session.deadLettered.map(({ fault, queue }) => [queue, fault?.reason]),
        [["billing", "expired"]]
      )
      assert.deepStrictEqual(
        session.handled.map(({ queue }) => queue),
        ["dlq.billing"]
      )
    }))

  test("follows an event that is published twice", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      let deliveries = 0
      const handler = Handler.make(placed(), () =>
        Effect.suspend(() => (deliveries++ === 0 ? Effect.fail(new Busy()) : Effect.void))
      )
      yield* subscribe(handler.pipe(Handler.onFailure(once)))
      const event = yield* OrderPlaced.event({ orderId: "o-1" })
      const later = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 5)))
      const twice = bus.publish(event).pipe(Effect.andThen(later), Effect.andThen(bus.publish(event)))
      const session = yield* Tracker.track(twice, { due: "1 minute" })
      assert.deepStrictEqual([session.retried.length, session.handled.length], [1, 2])
    }))

  test("forgets what is purged, and dead letters that are discarded", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const memory = yield* MemoryBroker.MemoryBroker
      const handler = Handler.make(placed(), () => Effect.fail(new Busy()))
      yield* subscribe(handler.pipe(Handler.onFailure(FailurePolicy.deadLetter)))
      yield* bus.declare(Subscription.make("audit", { events: [OrderPlaced] }))
      const removed = Effect.gen(function* () {
        yield* publish(OrderPlaced)
        yield* memory.expect("dlq.billing", 1)
        yield* bus.deadLetters("billing").discard({})
        yield* bus.subscribe(Handler.make(Subscription.make("dlq.billing", { patterns: [] }), () => Effect.void))
        yield* bus.purge("audit")
      })
      const session = yield* Tracker.track(removed)
      assert.deepStrictEqual(session.waiting, [])
      assert.strictEqual(session.deadLettered.length, 1)
    }))

  test("does not wait for queues that are gone", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const running = yield* subscribe(Handler.make(placed({ temporary: true }), () => Effect.void))
      yield* bus.subscribe(Handler.make(Subscription.make("audit", { events: [OrderPlaced] }), () => Effect.void))
      yield* running.stop
      const session = yield* Tracker.track(publish(OrderPlaced))
      assert.deepStrictEqual(session.waiting, [])
    }))

  test("shows the body that is no event", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.Broker
      yield* subscribe(Handler.make(placed(), () => Effect.void))
      const raw = envelope("{}", { id: "raw-1", routingKey: "order.placed.normal" })
      const session = yield* Tracker.track(broker.publish(raw))
      assert.include(session.timeline, "raw-1 is not an event")
      assert.include(session.timeline, "billing attempt 1: dead-lettered: InvalidEnvelope")
    }))

  test("fails with the timeline when events cause each other for ever", () =>
    Effect.gen(function* () {
      yield* subscribe(Handler.make(placed(), ({ payload }) => publish(OrderPlaced, payload.orderId)))
      const error = yield* Effect.flip(Tracker.track(publish(OrderPlaced), { atMost: "20 seconds" }))
      assert.strictEqual(error._tag, "Unsettled")
      assert.include(error.message, "The session went on after 10000 steps")
      assert.match(error.message, /order\.placed [0-9a-f]{8}\n/)
      assert.isBelow(error.message.split("\n").length, 210)
    }))

  test("fails with the timeline when a handler never ends", () =>
    Effect.gen(function* () {
      yield* subscribe(Handler.make(placed(), () => Effect.never))
      const error = yield* Effect.flip(Tracker.track(publish(OrderPlaced), { atMost: "1 second" }))
      assert.include(error.message, "The session had not come to rest after 1000 ms")
      assert.include(error.message, "billing attempt 1: being handled")
    }))

  test("fails as the effect fails", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Tracker.track(Effect.andThen(publish(OrderPlaced), new Busy())))
      assert.strictEqual(error._tag, "Busy")
    }))

  it.effect("prints the timeline when the test fails after the session", () =>
    Effect.gen(function* () {
      const error = vi.spyOn(globalThis.console, "error").mockReturnValue()
      const failing = Effect.gen(function* () {
        yield* subscribe(Handler.make(placed(), () => Effect.void))
        const session = yield* Tracker.track(publish(OrderPlaced))
        assert.strictEqual(session.handled.length, 2)
      })
      const exit = yield* Effect.exit(failing.pipe(Effect.scoped, Effect.provide(Tracker.layerMemory)))
      const printed = error.mock.calls.flat()
      error.mockRestore()
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(printed.length, 1)
      assert.match(String(printed[0]), /billing attempt 1: handled/)
    })
  )

  it("refuses times that are negative, at once", () => {
    assert.throws(() => Tracker.track(Effect.void, { due: "-1 seconds" }), RangeError, "due must not be negative")
    assert.throws(() => Tracker.track(Effect.void, { atMost: "-1 seconds" }), RangeError, "atMost must not be negative")
  })
})

layer(Tracker.layerMemory)("A bus that tests share", (it) => {
  for (const number of [1, 2]) {
    it.effect(`tells the events of each test from those of others: ${number}`, () =>
      Effect.gen(function* () {
        yield* subscribe(Handler.make(placed(), () => Effect.fail(new Busy())).pipe(Handler.onFailure(once)))
        const session = yield* Tracker.track(publish(OrderPlaced, `o-${number}`), { due: "1 minute" })
        assert.strictEqual(session.retried.length, 1)
        assert.deepStrictEqual(
          session.of(OrderPlaced).deadLettered.map(({ event }) => event.payload.orderId),
          [`o-${number}`]
        )
      })
    )
  }
})
