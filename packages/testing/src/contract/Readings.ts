import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** Returns the name of a series, as Prometheus has it. */
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

/** Reads each series of the bus: the value of a counter or a gauge, the number of measurements of a histogram. */
export const readings = Effect.map(Metric.snapshot, (all) =>
  Object.fromEntries(
    all.filter(({ id }) => id.startsWith("eventbus_")).map((metric) => [nameOf(metric), numberOf(metric)])
  )
)
