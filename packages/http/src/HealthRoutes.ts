/**
 * `/health/live` and `/health/ready`, for whoever starts, stops and feeds processes:
 * Kubernetes, a load balancer, a supervisor.
 *
 * @since 0.1.0
 */

import type { Health } from "effect-eventbus/Broker"
import { EventBus } from "effect-eventbus/EventBus"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"

/** How long a broker may take to say how it is. The one on RabbitMQ takes two seconds at most. */
const timeout = "3 seconds"

const silent: Health = {
  status: "unhealthy",
  connected: false,
  details: { error: "the broker does not say how it is" }
}

const answer = (status: number, body: object) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: { "cache-control": "no-store" } })

const live = HttpMiddleware.withLoggerDisabled(Effect.succeed(answer(200, { status: "live" })))

const ready = ({ health }: EventBus["Service"]) =>
  health.pipe(
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.succeed(silent) }),
    Effect.map(({ details, status }) => {
      const isReady = status === "healthy"
      return answer(isReady ? 200 : 503, { status: isReady ? "ready" : "not ready", health: status, details })
    }),
    HttpMiddleware.withLoggerDisabled
  )

/**
 * The routes of health, for an app that has a server.
 *
 * **Details**
 *
 * `GET /health/live` is 200 as long as the process answers: a broker that is away
 * cannot be cured by a restart. `GET /health/ready` is 200 while the bus is
 * `healthy`: connected, not blocked, every subscription attached, and the queues and
 * exchanges of dead letters in place. Otherwise it is 503, and its JSON says what is
 * amiss; it holds no secret. It answers within three seconds.
 *
 * Probes are in no access log. `/metrics` is Effect's own `PrometheusMetrics.layerHttp()`.
 *
 * **Example** (Health and metrics in an app's own server)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { HealthRoutes } from "@effect-eventbus/http"
 * import { Layer } from "effect"
 * import { EventBus } from "effect-eventbus"
 * import { HttpRouter } from "effect/http"
 * import { PrometheusMetrics } from "effect/observability"
 *
 * const Routes = Layer.mergeAll(HealthRoutes.layer, PrometheusMetrics.layerHttp()).pipe(
 *   Layer.provide(EventBus.layerMemory)
 * )
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(Routes)
 * const response = await handler(new Request("http://localhost/health/ready"))
 * assert.strictEqual(response.status, 200)
 * await dispose()
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter | EventBus> = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const bus = yield* EventBus
    yield* router.add("GET", "/health/live", live)
    yield* router.add("GET", "/health/ready", ready(bus))
  })
)
