/**
 * The server of `eventbus serve`: health and metrics of its own bus.
 *
 * @since 0.1.0
 */

import { createServer } from "node:http"
import { HealthRoutes } from "@effect-eventbus/http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Connection from "./Connection.ts"
import { Output } from "./Output.ts"
import { CommandFailed } from "./Problem.ts"

const routes = HttpRouter.serve(Layer.merge(HealthRoutes.layer, PrometheusMetrics.layerHttp()), {
  disableListenLog: true,
  disableLogger: true
})

const paths = ["/health/live", "/health/ready", "/metrics"]

const introduction = HttpServer.addressFormattedWith((address) =>
  Output.use(({ line }) => line(`Serving ${paths.join(", ")} on ${address}`))
)

/**
 * Serves until it is interrupted, and prints its address.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (options: { readonly host: string; readonly port: number }) =>
  Layer.effectDiscard(introduction).pipe(
    Layer.provide(routes),
    Layer.provide([
      NodeHttpServer.layerServer(createServer, { ...options, gracefulShutdownTimeout: "2 seconds" }),
      Connection.layerAmqp,
      // Spans of probes would drown all others.
      Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)
    ]),
    Layer.launch,
    Effect.catchTag("ServeError", ({ cause }) =>
      Effect.fail(new CommandFailed({ message: `Cannot listen: ${String(cause)}` }))
    )
  )
