/**
 * Measures the cost of an event as something grows.
 *
 * @since 0.1.0
 */

import * as Contestants from "./Contestants.ts"
import * as Outcome from "./Outcome.ts"
import type { Report } from "./Report.ts"
import type { Series } from "./Scenario.ts"

/**
 * A line of one contestant: costs relative to its first point.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line {
  readonly contestant: string
  readonly points: ReadonlyArray<{ readonly x: number; readonly cost: number; readonly memory: number }>
  readonly grows: Law
}

/**
 * How a cost grows.
 *
 * @category models
 * @since 0.1.0
 */
export type Law = "constant" | "logarithmic" | "linear" | "unknown"

/**
 * The outcome of a series.
 *
 * @category models
 * @since 0.1.0
 */
export interface Growth {
  readonly series: Series
  readonly outcomes: ReadonlyArray<Outcome.Outcome>
  readonly lines: ReadonlyArray<Line>
}

/** A cost that changes by less is the same: the machine is not quieter than that. */
const noise = 0.3

type Point = readonly [x: number, y: number]

/** Returns the variation of the points that a straight line leaves unexplained. */
const residual = (points: ReadonlyArray<Point>): number => {
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / points.length
  const [mx, my] = [mean(0), mean(1)]
  const slope =
    points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0)
  return points.reduce((sum, [x, y]) => sum + (y - my - slope * (x - mx)) ** 2, 0)
}

/**
 * The law that costs follow best.
 *
 * @category getters
 * @since 0.1.0
 */
export const law = (points: ReadonlyArray<Point>): Law => {
  if (points.length < 3) return "unknown"
  const costs = points.map(([, y]) => y)
  const [first = 0, last = 0] = [costs[0], costs.at(-1)]
  // What gets cheaper, because something is shared by more, does not grow.
  if (last <= first * (1 + noise)) return "constant"
  const logarithmic = residual(points.map(([x, y]) => [Math.log(x), y]))
  return residual(points) < logarithmic ? "linear" : "logarithmic"
}

const lineOf = (contestant: string, series: Series, outcomes: ReadonlyArray<Outcome.Outcome>): Line => {
  const points = series.points.flatMap(({ x }, i) => {
    const reports = outcomes[i]?.rows.find((row) => row.contestant === contestant)?.reports ?? []
    const of = (f: (report: Report) => number) =>
      Outcome.median(reports.flatMap((report) => (report === undefined ? [] : [f(report)])))
    const [cost, memory] = [of(({ cpu, events }) => cpu / events), of(({ memory }) => memory)]
    return cost === undefined || memory === undefined ? [] : [{ x, cost, memory }]
  })
  const [first] = points
  const relative =
    first === undefined
      ? []
      : points.map(({ cost, memory, x }) => ({ x, cost: cost / first.cost, memory: memory / first.memory }))
  return { contestant, points: relative, grows: law(relative.map(({ cost, x }) => [x, cost])) }
}

/**
 * Runs a series with the bus and whom it is compared with. Each point is run once:
 * an outlier is seen by its neighbours.
 *
 * @category running
 * @since 0.1.0
 */
export const run = async (series: Series, options: Outcome.Options): Promise<Growth> => {
  const outcomes: Array<Outcome.Outcome> = []
  for (const { scenario, x } of series.points) {
    const progress = (what: string) => options.progress(`${what}, ${x} ${series.of}`)
    outcomes.push(await Outcome.run(scenario, { ...options, rounds: 1, peers: [], progress }))
  }
  const contestants = ["eventbus", Contestants.baseline[series.broker]]
  return { series, outcomes, lines: contestants.map((name) => lineOf(name, series, outcomes)) }
}
