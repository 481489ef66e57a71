import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schema, Scope } from "effect"
import { Broker, BrokerError, EventBus, EventType, MemoryBroker, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"

const Asked = EventType.make("asked", { payload: Schema.Struct({ n: Schema.Int }) })
const Answered = EventType.make("answered", { payload: Schema.Struct({ n: Schema.Int }) })
const Refused = EventType.make("refused", { payload: Schema.Struct({ n: Schema.Int }) })
const questions = Subscription.make("questions", { events: [Asked] })

/** Makes a bus on a broker of which some parts are replaced. */
const busWith = (change: (broker: Broker.Broker["Service"]) => Partial<Broker.Broker["Service"]>) =>
  Effect.flatMap(Broker.Broker, (broker) =>
    Effect.provideService(EventBus.make, Broker.Broker, { ...broker, ...change(broker) })
  )

const run = <A, E>(effect: Effect.Effect<A, E, Broker.Broker | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(MemoryBroker.layer()))

describe("Requester", () => {
  it.effect("a question with many types of answers is one that waits", () =>
    Effect.gen(function* () {
      const bus = yield* busWith(() => ({}))
      yield* bus.declare(questions)
      const event = yield* Asked.event({ n: 1 })
      yield* Effect.forkChild(bus.ask(event, [Answered, Refused], { timeout: "1 minute" }))
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* bus.health).details["requestsWaiting"], 1)
    }).pipe(run)
  )

  it.effect("a defect of the broker ends the request, as it ends a publish", () =>
    Effect.gen(function* () {
      const bus = yield* busWith(() => ({ publish: () => Effect.die("a bug") }))
      const event = yield* Asked.event({ n: 1 })
      const exit = yield* Effect.exit(bus.request(event, { timeout: "1 hour" }))
      assert.deepStrictEqual(Exit.isFailure(exit) && exit.cause, Cause.die("a bug"))
    }).pipe(run)
  )

  it.effect("a queue for replies that failed when nothing waited for it any more is declared again", () =>
    Effect.gen(function* () {
      let isDown = true
      const reason = new BrokerError.ConnectionFailed({ address: "localhost", detail: "not connected" })
      const bus = yield* busWith(({ consume }) => ({
        consume: (spec, deliver) =>
          isDown
            ? Effect.delay(Effect.fail(new BrokerError.SubscribeError({ queue: spec.name, reason })), "10 seconds")
            : consume(spec, deliver)
      }))
      yield* bus.declare(questions)
      const event = yield* Asked.event({ n: 1 })
      const reasonAfter = Effect.fnUntraced(function* (timeout: `${number} seconds`) {
        const request = yield* Effect.forkChild(Effect.flip(bus.request(event, { timeout })))
        yield* TestClock.adjust("1 minute")
        return (yield* Fiber.join(request)).reason
      })
      assert.strictEqual((yield* reasonAfter("1 seconds"))._tag, "NoReply")
      assert.strictEqual((yield* reasonAfter("20 seconds"))._tag, "NoReplyQueue")
      assert.strictEqual((yield* reasonAfter("1 seconds"))._tag, "NoReply")
      isDown = false
      const last = yield* reasonAfter("1 seconds")
      assert.isTrue(last._tag === "NoReply" && last.delivered)
    }).pipe(run)
  )

  it.effect("a request that waits for its queue when the bus is closed is told so", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const bus = yield* Scope.provide(
        busWith(() => ({ consume: () => Effect.never })),
        scope
      )
      const event = yield* Asked.event({ n: 1 })
      const request = yield* Effect.forkChild(Effect.flip(bus.request(event, { timeout: "1 hour" })))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(request)).reason._tag, "Closed")
    }).pipe(run)
  )
})
