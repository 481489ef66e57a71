/**
 * Exports traces, metrics and logs of the command itself to the OpenTelemetry collector
 * that the standard variables name.
 *
 * @since 0.1.0
 */

import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { UsageError } from "./Problem.ts"

const endpoints = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
  "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
]

/** The defaults of the standard. Effect's exporters have none. */
const defaults = {
  OTEL_TRACES_EXPORTER: "otlp",
  OTEL_METRICS_EXPORTER: "otlp",
  OTEL_LOGS_EXPORTER: "otlp",
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf"
}

const load = Effect.fnUntraced(function* (variables: Record<string, string>) {
  const env: typeof defaults & Readonly<Record<string, string>> = { ...defaults, ...variables }
  const [Otlp, OtlpSerialization, FetchHttpClient] = yield* Effect.promise(() =>
    Promise.all([
      import("effect/observability/Otlp"),
      import("effect/observability/OtlpSerialization"),
      import("effect/http/FetchHttpClient")
    ])
  )
  const protocols: Readonly<Record<string, typeof OtlpSerialization.layerJson>> = {
    "http/protobuf": OtlpSerialization.layerProtobuf,
    "http/json": OtlpSerialization.layerJson
  }
  const serialization = protocols[env.OTEL_EXPORTER_OTLP_PROTOCOL]
  if (serialization === undefined) {
    const known = Object.keys(protocols).join(", ")
    const message = `OTEL_EXPORTER_OTLP_PROTOCOL must be one of ${known}, not "${env.OTEL_EXPORTER_OTLP_PROTOCOL}"`
    return yield* new UsageError({ message })
  }
  const isNamed = "OTEL_SERVICE_NAME" in env || env["OTEL_RESOURCE_ATTRIBUTES"]?.includes("service.name=") === true
  return Otlp.layerFromConfig(isNamed ? {} : { resource: { serviceName: "eventbus" } }).pipe(
    Layer.provide([serialization, FetchHttpClient.layer, ConfigProvider.layer(ConfigProvider.fromEnv({ env }))])
  )
})

/**
 * Exports to the collector that the `OTEL_*` variables name. Without one, the layer is
 * empty and costs nothing. Remaining data is sent at the end, within three seconds.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, UsageError> = Layer.unwrap(
  Effect.suspend(() => {
    // By the standard, an empty variable counts as unset.
    const variables = Object.fromEntries(
      Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value] as const] : []))
    )
    return endpoints.some((name) => name in variables) ? load(variables) : Effect.succeed(Layer.empty)
  })
)
