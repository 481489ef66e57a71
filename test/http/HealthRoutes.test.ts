import { HealthRoutes } from "@effect-eventbus/http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { EventBus } from "effect-eventbus"
import type { Broker } from "effect-eventbus"
import { HttpRouter } from "effect/http"

/** Requests a path of the routes on a bus. */
const get = (bus: Layer.Layer<EventBus.EventBus>, path: string) =>
  Effect.gen(function* () {
    const { dispose, handler } = HttpRouter.toWebHandler(HealthRoutes.layer.pipe(Layer.provide(bus)))
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    const response = yield* Effect.promise(() => handler(new Request(`http://localhost${path}`)))
    const body: unknown = yield* Effect.promise(() => response.json())
    return { status: response.status, cache: response.headers.get("cache-control"), body }
  }).pipe(Effect.scoped)

/** A bus on a broker that says this of itself. */
const saying = (health: Effect.Effect<Broker.Health>) =>
  Layer.effect(
    EventBus.EventBus,
    Effect.map(EventBus.EventBus, (bus) => ({ ...bus, health }))
  ).pipe(Layer.provide(EventBus.layerMemory))

describe("HealthRoutes", () => {
  it.live("a bus that is well is live and ready", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* get(EventBus.layerMemory, "/health/live"), {
        status: 200,
        cache: "no-store",
        body: { status: "live" }
      })
      assert.deepStrictEqual(yield* get(EventBus.layerMemory, "/health/ready"), {
        status: 200,
        cache: "no-store",
        body: { status: "ready", health: "healthy", details: { broker: "memory", queues: 0, messages: 0 } }
      })
    })
  )

  for (const status of ["degraded", "unhealthy"] as const) {
    it.live(`one that is ${status} is live, and not ready`, () =>
      Effect.gen(function* () {
        const details = { publishing: "blocked: memory" }
        const bus = saying(Effect.succeed({ status, connected: true, details }))
        assert.strictEqual((yield* get(bus, "/health/live")).status, 200)
        const { body, status: code } = yield* get(bus, "/health/ready")
        assert.strictEqual(code, 503)
        assert.deepStrictEqual(body, { status: "not ready", health: status, details })
      })
    )
  }

  it.live("one that never says how it is, is not ready within seconds", () =>
    Effect.gen(function* () {
      const { body, status } = yield* get(saying(Effect.never), "/health/ready")
      assert.strictEqual(status, 503)
      assert.deepInclude(body, { status: "not ready", health: "unhealthy" })
    }).pipe(Effect.timeout("1 minute"))
  )
})
