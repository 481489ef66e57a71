import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { Metrics } from "effect-eventbus"
import { readings } from "../../packages/testing/src/contract/Readings.ts"

const withRegistry = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

describe("Metrics", () => {
  it("all stand in the reference as they are declared", () => {
    const page = readFileSync(
      join(import.meta.dirname, "../../packages/docs/src/content/docs/reference/metrics.md"),
      "utf8"
    )
    const rows = page
      .split("\n")
      .filter((line) => line.startsWith("| `eventbus_"))
      .map((line) =>
        line
          .split("|")
          .slice(1, 5)
          .map((cell) => cell.trim())
      )
    const declared = Object.values(Metrics.all).map(({ description, labels, name, type }) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(", "),
      description
    ])
    assert.deepStrictEqual(rows, declared)
  })

  it.effect("a series that is asked for twice is one, and keeps what it says", () =>
    Effect.gen(function* () {
      const registry = yield* Metrics.registry
      Metrics.all.handled.series(registry, { queue: "q" })(2)
      Metrics.all.handled.series(registry, { queue: "q" })(3)
      Metrics.all.handled.series(registry, { queue: "other" })
      assert.deepStrictEqual(yield* readings, {
        'eventbus_handled_total{queue="q"}': 5,
        'eventbus_handled_total{queue="other"}': 0
      })
      assert.deepStrictEqual(
        yield* Metric.value(
          Metric.counter("eventbus_handled_total", {
            description: Metrics.all.handled.description,
            incremental: true,
            attributes: { queue: "q" }
          })
        ),
        { count: 5, incremental: true }
      )
    }).pipe(withRegistry)
  )

  it.effect("takes over the attributes that hold where the registry was asked for", () =>
    Effect.gen(function* () {
      Metrics.all.published.series(yield* Metrics.registry, {})(1)
      assert.deepStrictEqual(yield* readings, { 'eventbus_published_total{service="billing"}': 1 })
    }).pipe(Effect.provideService(Metric.CurrentMetricAttributes, { service: "billing" }), withRegistry)
  )

  it.effect("counts the error types beyond the first fifty together", () =>
    Effect.gen(function* () {
      const registry = yield* Metrics.registry
      const failed = Metrics.byErrorType((error_type) =>
        Metrics.all.failed.series(registry, { queue: "q", error_type })
      )
      for (let i = 0; i < 1000; i++) failed(`Error${i}`)
      for (let i = 0; i < 1000; i++) failed(`Error${i}`)
      const all = yield* readings
      assert.strictEqual(Object.keys(all).length, 51)
      assert.strictEqual(all['eventbus_failed_total{error_type="Error49",queue="q"}'], 2)
      assert.strictEqual(all['eventbus_failed_total{error_type="_OTHER",queue="q"}'], 1900)
    }).pipe(withRegistry)
  )
})
