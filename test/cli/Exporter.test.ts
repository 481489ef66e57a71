import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"
import { otlpReceiver } from "../support/OtlpReceiver.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl") ?? ""

const publish = (variables: Process.Env) =>
  Effect.promise(() =>
    Process.run(["publish", "some.event", "--routing-key", Leftovers.unique("otlp")], {
      ...Process.at(url),
      ...variables
    })
  )

describe.skipIf(inject("rabbitUrl") === null).concurrent("OTEL_*", () => {
  it.live("a collector that the variables name gets the command's traces and metrics", () =>
    Effect.gen(function* () {
      const { baseUrl, received } = yield* otlpReceiver
      const { code, stderr } = yield* publish({
        OTEL_EXPORTER_OTLP_ENDPOINT: baseUrl,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json"
      })
      assert.deepStrictEqual([code, stderr], [0, ""])
      const sent = (path: string) =>
        received
          .filter((each) => each.path === path)
          .map(({ body }) => body)
          .join("\n")
      assert.include(sent("/v1/traces"), '"name":"publish agent_events:some.event"')
      assert.include(sent("/v1/traces"), '{"key":"service.name","value":{"stringValue":"eventbus"}}')
      assert.include(sent("/v1/metrics"), '"name":"eventbus_published_total"')
      assert.notInclude(received.map(({ body }) => body).join("\n"), "guest:guest")
    })
  )

  it.live("is Protobuf unless they say JSON, under the name that they give", () =>
    Effect.gen(function* () {
      const { baseUrl, received } = yield* otlpReceiver
      yield* publish({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${baseUrl}/spans`, OTEL_SERVICE_NAME: "acme-shop" })
      assert.deepStrictEqual([...new Set(received.map(({ path }) => path))], ["/spans"])
      const [{ body } = { body: "" }] = received
      assert.include(body, "acme-shop")
      assert.notInclude(body, '"name"')
    })
  )

  it.live("a collector that is down delays the command only briefly", () =>
    Effect.gen(function* () {
      const { code } = yield* publish({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" })
      assert.strictEqual(code, 0)
    }).pipe(Effect.timeout("60 seconds"))
  )

  it.live("a protocol that is not spoken is a wrong call", () =>
    Effect.gen(function* () {
      const ended = yield* publish({
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_PROTOCOL: "grpc"
      })
      Process.assertFailed(ended, 2, 'OTEL_EXPORTER_OTLP_PROTOCOL must be one of http/protobuf, http/json, not "grpc"')
    })
  )
})
