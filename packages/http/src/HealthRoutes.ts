/**
 * The routes `/health/live` and `/health/ready`, for Kubernetes, a load balancer or a
 * supervisor.
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

/** The time that a broker gets to report its health. The one on RabbitMQ takes at most two seconds. */
const timeout = "3 seconds"

const silent: Health = {
  status: "unhealthy",
  connected: false,
  details: { error: "the broker does not report its health" }
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
 * A layer with the health routes, for an app that has a server.
 *
 * **Details**
 *
 * `GET /health/live` returns 200 as long as the process answers, because a restart does
 * not help when the broker is down. `GET /health/ready` returns 200 while the bus is
 * `healthy`: it is connected and not blocked, every subscription is attached, and the
 * queues and exchanges for dead letters exist. Otherwise it returns 503, with JSON that
 * says what is wrong and contains no secrets. It answers within three seconds.
 *
 * The access log does not list these requests. For `/metrics`, use Effect's
 * `PrometheusMetrics.layerHttp()`.
 *
 * **Example** (Serving health and metrics from an app's server)
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
