import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Metric } from "effect"
import { EventBus, EventType, Handler, Subscription } from "effect-eventbus"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"
import { otlpReceiver } from "../support/OtlpReceiver.ts"

const TaskDone = EventType.untyped("task.done")

interface Exported {
  readonly name: string
  readonly kind?: number
  readonly spanId?: string
  readonly links?: ReadonlyArray<{ readonly spanId: string }>
  readonly unit?: string
}

/** The objects with a name and one of the other members, however deep they are. */
const objects = (node: unknown): ReadonlyArray<object> =>
  typeof node === "object" && node !== null ? [node, ...Object.values(node).flatMap(objects)] : []

const exported = (bodies: ReadonlyArray<string>, member: string) =>
  bodies
    .flatMap((body) => objects(JSON.parse(body)))
    .filter((node): node is Exported => "name" in node && member in node)

describe("Otlp", () => {
  it.live("an OTLP collector receives the spans of a publish and its handling, and the metrics", () =>
    Effect.gen(function* () {
      const { baseUrl, received } = yield* otlpReceiver
      const exporter = Otlp.layerJson({ baseUrl, resource: { serviceName: "test" } }).pipe(
        Layer.provide(FetchHttpClient.layer)
      )
      const handled = yield* Deferred.make<void>()
      yield* Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        yield* bus.subscribe(
          Handler.make(Subscription.make("tasks", { events: [TaskDone] }), () => Deferred.succeed(handled, undefined))
        )
        yield* bus.publish(yield* TaskDone.event({}))
        yield* Deferred.await(handled)
      }).pipe(Effect.scoped, Effect.provide(EventBus.layerMemory.pipe(Layer.provideMerge(exporter))))

      const bodiesOf = (path: string) => received.filter((each) => each.path === path).map(({ body }) => body)
      const spans = exported(bodiesOf("/v1/traces"), "spanId")
      const publish = spans.find(({ name }) => name === "publish task.done")
      const process = spans.find(({ name }) => name === "process tasks")
      assert.strictEqual(publish?.kind, 4)
      assert.strictEqual(process?.kind, 5)
      assert.deepStrictEqual(
        process?.links?.map(({ spanId }) => spanId),
        [publish?.spanId]
      )
      const metrics = exported(bodiesOf("/v1/metrics"), "unit")
      assert.strictEqual(metrics.find(({ name }) => name === "eventbus_handled_total")?.unit, "1")
      assert.strictEqual(metrics.find(({ name }) => name === "eventbus_critical_seconds")?.unit, "s")
    }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
