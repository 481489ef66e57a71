import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger } from "effect"
import {
  Broker,
  EventBus,
  EventType,
  FailurePolicy,
  Handler,
  MemoryBroker,
  PublishError,
  Subscription
} from "effect-eventbus"
import { TestClock } from "effect/testing"

const Ping = EventType.untyped("ping")
const queue = Subscription.make("q", { events: [Ping], concurrency: 10 })

describe("Settlements that the broker refuses", () => {
  it.effect("are told once for each outage and reason, however often and of however many events", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel}: ${String(message)}`))
    return Effect.gen(function* () {
      const memory = yield* Broker.Broker
      let trouble: PublishError.Reason | undefined
      // Or else a failed test would wait for its settlements.
      const mend = Effect.sync(() => void (trouble = undefined))
      const broker = Broker.Broker.of({
        ...memory,
        put: (...args) => Effect.suspend(() => (trouble === undefined ? memory.put(...args) : Effect.fail(trouble)))
      })
      const context = yield* Layer.build(Layer.provide(EventBus.layer, Layer.succeed(Broker.Broker, broker)))
      const bus = Context.get(context, EventBus.EventBus)
      yield* bus.subscribe(
        Handler.make(queue, () => Effect.fail("no")).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      const warnings = () => lines.splice(0).filter((line) => /^Warn.*Cannot settle/i.test(line)).length
      yield* Effect.gen(function* () {
        for (const outage of [1, 2]) {
          trouble = new PublishError.NotPermitted({ detail: "refused" })
          yield* bus.publishAll(yield* Effect.replicateEffect(Ping.event({}), 5))
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(warnings(), 1, `outage ${outage}`)
          trouble = new PublishError.Nacked({ routingKey: "dlq.q" })
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(warnings(), 1, "another reason")
          assert.include(String((yield* bus.health).details["settling"]), "dlq.q")
          yield* mend
          yield* TestClock.adjust("1 minute")
          assert.isUndefined((yield* bus.health).details["settling"])
          assert.strictEqual(
            (yield* MemoryBroker.MemoryBroker.use((memory) => memory.peek("dlq.q"))).length,
            5 * outage
          )
        }
      }).pipe(Effect.onExit(() => Effect.andThen(mend, TestClock.adjust("1 minute"))))
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(MemoryBroker.layer(), Logger.layer([logger]))))
  })
})
