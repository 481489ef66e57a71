/** The shop: its workers and its routes, on any bus. */

import { createServer } from "node:http"
import { HealthRoutes } from "@effect-eventbus/http"
import { NodeHttpServer } from "@effect/platform-node"
import { Config, Effect, Layer, Schema } from "effect"
import { EventBus } from "effect-eventbus"
import { HttpRouter } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { Api } from "./Api.ts"
import { billing } from "./Billing.ts"
import { bookkeeper } from "./Bookkeeper.ts"
import * as OrdersApi from "./OrdersApi.ts"
import { shipping } from "./Shipping.ts"
import { stock } from "./Stock.ts"

/** The workers. Each is a subscription, which stops when its handlers are done. */
export const workers = Layer.mergeAll(
  EventBus.subscriber(stock),
  EventBus.subscriber(billing),
  EventBus.subscriber(shipping),
  EventBus.subscriber(bookkeeper)
)

const routes = Layer.mergeAll(
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(Layer.provide(OrdersApi.layer)),
  HealthRoutes.layer,
  PrometheusMetrics.layerHttp()
)

const anyPort = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))

/** Reads `SHOP_PORT` (3000; 0 is any free one) and `SHOP_HOST` (127.0.0.1). */
const serverConfig = Config.all({
  port: Config.schema(anyPort, "SHOP_PORT").pipe(Config.withDefault(3000)),
  host: Config.String("SHOP_HOST").pipe(Config.withDefault("127.0.0.1"))
})

const server = Layer.unwrap(
  Effect.map(serverConfig, (config) =>
    NodeHttpServer.layer(createServer, { ...config, gracefulShutdownTimeout: "5 seconds" })
  )
)

/** The shop with its server. The server stops first, and the workers go on until they are done. */
export const layerConfig = HttpRouter.serve(routes).pipe(Layer.provide(server), Layer.provideMerge(workers))
