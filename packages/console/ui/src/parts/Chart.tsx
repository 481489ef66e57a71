/** Counts of the last ten minutes as a line, with the same numbers in a table. */
import type { ReactNode } from "react"
import { registry, usePart } from "../state/atoms.ts"
import { history, type Moment } from "../state/history.ts"
import { pathOf, perSecond, type Point, thinned } from "../text/chart.ts"
import { count, rate, span, time } from "../text/format.ts"
import { Table } from "./Table.tsx"

const width = 320
const height = 56
const rows = 8

/** Returns the change in words, once it is known. */
const changeOf = (points: ReadonlyArray<Point>): string | undefined => {
  const change = perSecond(points)
  if (change === undefined) return undefined
  return change === 0 ? "no change" : `${change > 0 ? "+" : "−"}${rate(Math.abs(change))} in the last minute`
}

const Line = (props: {
  readonly name: string
  readonly points: ReadonlyArray<Point>
  readonly kind: "waiting" | "dead"
}): ReactNode => {
  const { kind, name, points } = props
  const values = points.map(({ value }) => value)
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const [since, until] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 0]
  const change = changeOf(points)
  const words = `${name}: ${count(least)} to ${count(most)} in ${span(until - since)}${change === undefined ? "" : `, ${change}`}`
  return (
    <figure className="chart">
      <figcaption>
        <strong>{name}</strong> <span className="soft numbers">{change}</span>
      </figcaption>
      <svg viewBox={`-2 -3 ${width + 4} ${height + 6}`} role="img" aria-label={words} preserveAspectRatio="none">
        <path className="chart-ground" d={`M0 ${height}H${width}`} />
        <path className={`chart-line ${kind}`} d={pathOf(points, { width, height, since, until })} />
      </svg>
      <span className="chart-scale numbers soft">
        <span>{time(since)}</span>
        <span>{least === most ? count(most) : `${count(least)} to ${count(most)}`}</span>
        <span>{time(until)}</span>
      </span>
    </figure>
  )
}

const deadLettersIn = (moments: ReadonlyArray<Moment>): ReadonlyArray<Point> =>
  moments.flatMap(({ at, deadLetters }) => (deadLetters === undefined ? [] : [{ at, value: deadLetters }]))

export const Charts = ({ queue }: { readonly queue: string }): ReactNode => {
  // The history is another one with each pulse, and only that of this queue counts.
  usePart(history, (all) => all.get(queue)?.at(-1)?.at)
  const moments = registry.get(history).get(queue) ?? []
  if (moments.length < 2) {
    return <p className="soft">The counts are drawn while you look: the broker keeps none of earlier times.</p>
  }
  const dead = deadLettersIn(moments)
  return (
    <section aria-labelledby="charts">
      <h2 id="charts">Since you opened the page</h2>
      <div className="charts">
        <Line name="Waiting" kind="waiting" points={moments.map(({ at, waiting }) => ({ at, value: waiting }))} />
        {dead.length < 2 ? null : <Line name="Dead letters" kind="dead" points={dead} />}
      </div>
      <details className="fold">
        <summary>The same in numbers</summary>
        <Table
          caption="Counts since you opened the page"
          className="stack-table"
          columns={[
            { name: "Time", cell: ({ at }) => time(at) },
            { name: "Waiting", kind: "number", cell: ({ waiting }) => count(waiting) },
            {
              name: "Dead letters",
              kind: "number",
              cell: ({ deadLetters }) => (deadLetters === undefined ? "keeps none" : count(deadLetters))
            }
          ]}
          rows={thinned(moments, rows).toReversed()}
          keyOf={({ at }) => String(at)}
        />
      </details>
      <p className="as-of">Counts of the broker, every 2 s, for ten minutes at most. A gap: the page was hidden.</p>
    </section>
  )
}
