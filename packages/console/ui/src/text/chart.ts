/** The line of a chart, and what it says in words. */

export interface Point {
  readonly at: number
  readonly value: number
}

/** A gap of more than this is drawn as one: there are no counts in between, such as while the page was hidden. */
const gap = 7000

/** Returns the path of a line in a box of a width and a height. The newest point is at its right edge. */
export const pathOf = (
  points: ReadonlyArray<Point>,
  { height, since, until, width }: Readonly<Record<"width" | "height" | "since" | "until", number>>
): string => {
  const most = Math.max(1, ...points.map(({ value }) => value))
  const round = (value: number) => Math.round(value * 10) / 10
  return points
    .map(({ at, value }, index) => {
      const x = round(((at - since) / Math.max(1, until - since)) * width)
      const y = round(height - (value / most) * height)
      const before = points[index - 1]
      return `${before === undefined || at - before.at > gap ? "M" : "L"}${x} ${y}`
    })
    .join("")
}

/** Returns the points that a table of some rows needs: the first, the last, and others evenly between. */
export const thinned = <A>(points: ReadonlyArray<A>, rows: number): ReadonlyArray<A> =>
  points.length <= rows
    ? points
    : Array.from({ length: rows }, (_, row) => points[Math.round((row * (points.length - 1)) / (rows - 1))]).flatMap(
        (point) => (point === undefined ? [] : [point])
      )

/** Returns the change per second over the last minute, as far as it is known for five seconds at least. */
export const perSecond = (points: ReadonlyArray<Point>): number | undefined => {
  const last = points.at(-1)
  const first = points.find(({ at }) => last !== undefined && last.at - at <= 60_000)
  if (first === undefined || last === undefined || last.at - first.at < 5000) return undefined
  return ((last.value - first.value) * 1000) / (last.at - first.at)
}
