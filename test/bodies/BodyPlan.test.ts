import { BlobStore, BodyPlan, ClaimCheck, Compression, Encryption } from "@effect-eventbus/bodies"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { EventBus, EventType, Handler, MemoryBroker, Subscription } from "effect-eventbus"

const Report = EventType.make("report.made", { payload: Schema.Struct({ text: Schema.String }) })

describe("BodyPlan", () => {
  it.effect("tells its steps in their order, without its store", () =>
    Effect.gen(function* () {
      const keys = { first: Redacted.make(new Uint8Array(32)) }
      const store = Layer.effect(BlobStore.BlobStore, Effect.die("it must not be opened"))
      const plan = BodyPlan.make(
        [Compression.gzip({ over: 10 }), Encryption.aes256Gcm({ keys, current: "first" }), ClaimCheck.make()],
        { store }
      )
      assert.isTrue(BodyPlan.isBodyPlan(plan))
      assert.isFalse(BodyPlan.isBodyPlan({ transforms: [] }))
      assert.deepStrictEqual(yield* BodyPlan.steps(plan), [
        { name: "gzip", over: 10 },
        { name: "aes-256-gcm", over: 0 },
        { name: "blob", over: 262_144 }
      ])
    })
  )

  it.effect("is the layer of a bus, whose payloads are in its store", () =>
    Effect.gen(function* () {
      const store = Layer.succeedContext(yield* Layer.build(BlobStore.layerMemory))
      const plan = BodyPlan.make([ClaimCheck.make({ over: 0 })], { store })
      const Bus = EventBus.layer.pipe(Layer.provide(plan.layer), Layer.provide(MemoryBroker.layer()))
      const text = yield* Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const seen = yield* Deferred.make<string>()
        yield* bus.subscribe(
          Handler.make(Subscription.make("reports", { events: [Report] }), ({ payload }) =>
            Deferred.succeed(seen, payload.text)
          )
        )
        yield* bus.publish(yield* Report.event({ text: "large" }))
        return yield* Deferred.await(seen)
      }).pipe(Effect.scoped, Effect.provide(Bus))
      assert.strictEqual(text, "large")
      const { list } = yield* Effect.provide(BlobStore.BlobStore, store)
      assert.strictEqual((yield* Stream.runCollect(list)).length, 1)
    }).pipe(Effect.scoped)
  )
})
