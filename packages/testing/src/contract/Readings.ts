import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** A series as Prometheus names it. */
const nameOf = ({ attributes = {}, id }: Metric.Metric.Snapshot): string => {
  const labels = Object.entries(attributes).filter(([name]) => name !== "unit")
  const texts = labels.map(([name, value]) => `${name}="${value}"`).toSorted()
  return texts.length === 0 ? id : `${id}{${texts.join(",")}}`
}

const numberOf = (metric: Metric.Metric.Snapshot): number => {
  switch (metric.type) {
    case "Counter":
    case "Histogram":
      return Number(metric.state.count)
    case "Gauge":
      return Number(metric.state.value)
    case "Frequency":
    case "Summary":
      throw new Error(`${metric.id} is of a type that the bus has no use for`)
  }
}

/** What each series of the bus says: how much was counted, or is, or how often it was measured. */
export const readings = Effect.map(Metric.snapshot, (all) =>
  Object.fromEntries(
    all.filter(({ id }) => id.startsWith("eventbus_")).map((metric) => [nameOf(metric), numberOf(metric)])
  )
)
