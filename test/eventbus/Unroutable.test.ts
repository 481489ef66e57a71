import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Broker, EventBus, EventType, MemoryBroker, PublishError } from "effect-eventbus"

const Ping = EventType.untyped("ping")
const lost = new PublishError.Timeout({ millis: 300, detail: "its confirm was lost with its channel" })

/** Publishes to a broker that fails with a reason. Returns the tag of the failure. */
const outcome = (reason: PublishError.Reason, unroutable: "ignore" | "fail") =>
  Effect.gen(function* () {
    const memory = yield* Broker.Broker
    const broker = Broker.Broker.of({ ...memory, publish: () => Effect.fail(reason) })
    const context = yield* Layer.build(Layer.provide(EventBus.layer, Layer.succeed(Broker.Broker, broker)))
    const bus = Context.get(context, EventBus.EventBus)
    return yield* bus
      .publish(yield* Ping.event({}), { unroutable })
      .pipe(Effect.match({ onSuccess: () => "published", onFailure: ({ reason }) => reason._tag }))
  }).pipe(Effect.scoped, Effect.provide(MemoryBroker.layer()))

describe("An event that no queue wants", () => {
  it.effect("may be ignored, also where the confirm of an earlier sending was lost", () =>
    Effect.gen(function* () {
      const once = new PublishError.Unroutable({ routingKey: "ping.normal" })
      const again = new PublishError.Unroutable({ routingKey: "ping.normal", earlier: lost })
      assert.strictEqual(yield* outcome(once, "ignore"), "published")
      assert.strictEqual(yield* outcome(again, "ignore"), "published")
      assert.strictEqual(yield* outcome(once, "fail"), "Unroutable")
      assert.strictEqual(yield* outcome(again, "fail"), "Timeout", "the earlier sending may have reached a queue")
      assert.strictEqual(yield* outcome(lost, "ignore"), "Timeout")
    })
  )
})
