import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Metrics } from "effect-eventbus"

const read = (name: string) => readFileSync(join(import.meta.dirname, "../../packages/http/dashboards", name), "utf8")

const all: ReadonlyArray<Pick<Metrics.Instrument, "labels" | "name" | "type">> = Object.values(Metrics.all)

/** The series of Prometheus for each metric: of a histogram, those of its buckets, sum and count. */
const series = new Map(
  all.flatMap(({ labels, name, type }) =>
    (type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]).map((suffix) => [`${name}${suffix}`, labels] as const)
  )
)

/** The expressions of both files. */
const expressions: Readonly<Record<string, ReadonlyArray<string>>> = {
  "alerts.yml": read("alerts.yml")
    .split("- alert: ")
    .slice(1)
    .map((rule) => /expr:([\s\S]*?)\n +(?:for|labels):/.exec(rule)?.[1] ?? ""),
  "grafana.json": Array.from(read("grafana.json").matchAll(/"(?:expr|query)": "(.*)"/g), ([, text = ""]) =>
    text.replaceAll('\\"', '"')
  )
}

const metricsIn = (text: string) => text.match(/\beventbus_\w+/g) ?? []

/** The labels that an expression groups by or filters by, without those that Prometheus adds. */
const labelsIn = (text: string) =>
  [...text.matchAll(/by \(([^)]*)\)/g), ...text.matchAll(/\{(\w+)=~/g), ...text.matchAll(/label_values\(\w+, (\w+)\)/g)]
    .flatMap(([, labels = ""]) => labels.split(/, */))
    .filter((label) => label !== "le" && label !== "instance")

for (const [file, texts] of Object.entries(expressions)) {
  describe(file, () => {
    it("asks only for metrics that exist, by labels that they have", () => {
      assert.isAtLeast(texts.length, 10)
      for (const text of texts) {
        const names = metricsIn(text)
        if (!text.startsWith("prometheus")) assert.isAtLeast(names.length, 1, text)
        for (const name of names) {
          const labels = series.get(name)
          assert.isDefined(labels, `${name} in ${text}`)
          for (const label of labelsIn(text)) assert.include(labels, label, text)
        }
      }
    })
  })
}

describe("grafana.json", () => {
  it("shows every metric", () => {
    const shown = new Set(metricsIn(read("grafana.json")).map((name) => name.replace(/_bucket$/, "")))
    assert.sameMembers(
      [...shown],
      all.map(({ name }) => name)
    )
  })

  it("is JSON with panels that do not overlap", () => {
    const { panels } = JSON.parse(read("grafana.json"))
    const places = panels.map(({ gridPos }: { gridPos: unknown }) => JSON.stringify(gridPos))
    assert.strictEqual(new Set(places).size, places.length)
  })
})
