/**
 * Results as SVG. Every number in a chart is a ratio.
 *
 * @since 0.1.0
 */

import { scaleLog, scalePoint } from "d3-scale"
import * as Contestants from "./Contestants.ts"
import type { Growth } from "./Growth.ts"
import * as Machine from "./Machine.ts"
import * as Outcome from "./Outcome.ts"

const colors: Readonly<Record<string, string>> = {
  eventbus: "#c2410c",
  "eventbus-interpreted": "#dc2626",
  "eventbus-traced": "#fb923c",
  raw: "#1f2937",
  "raw-multiple": "#64748b",
  smqp: "#1f2937",
  "rabbitmq-client": "#2563eb",
  "amqp-connection-manager": "#16a34a",
  "amqp-client": "#9333ea",
  rascal: "#ca8a04",
  "event-emitter": "#64748b",
  "effect-pubsub": "#0891b2"
}

const colorOf = (contestant: string): string => colors[contestant] ?? "#000000"

const escape = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

type Attributes = Readonly<Record<string, string | number>>

const element = (name: string, attributes: Attributes, content = ""): string => {
  const all = Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(String(value))}"`)
  return `<${name}${all.join("")}>${content}</${name}>`
}

const text = (content: string, x: number, y: number, attributes: Attributes = {}): string =>
  element("text", { x, y, ...attributes }, escape(content))

const line = (x1: number, y1: number, x2: number, y2: number, stroke: string, width = 1): string =>
  element("line", { x1, y1, x2, y2, stroke, "stroke-width": width })

const width = 800
const left = 130
const right = width - 30

const document = (title: string, height: number, machine: Machine.Machine, content: ReadonlyArray<string>): string => {
  const attributes = { viewBox: `0 0 ${width} ${height}`, "font-family": "system-ui, sans-serif", "font-size": 12 }
  const background = element("rect", { width, height, fill: "#ffffff" })
  const head = [
    text(title, 16, 26, { "font-size": 16, "font-weight": 600 }),
    text(`${machine.date} · ${Machine.line(machine)}`, 16, height - 12, { fill: "#64748b", "font-size": 10 })
  ]
  const body = [background, ...head, ...content].join("\n")
  return `${element("svg", { xmlns: "http://www.w3.org/2000/svg", ...attributes }, `\n${body}\n`)}\n`
}

const legendWidth = (contestant: string): number => 30 + 6.8 * contestant.length

/** As many in a row of the legend as there is room for. */
const legendRows = (contestants: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const rows: Array<Array<string>> = []
  let left = 0
  for (const contestant of contestants) {
    const row = rows.at(-1)
    left -= legendWidth(contestant)
    if (row !== undefined && left >= 0) {
      row.push(contestant)
    } else {
      rows.push([contestant])
      left = 770 - legendWidth(contestant)
    }
  }
  return rows
}

const legend = (contestants: ReadonlyArray<string>, y: number): string => {
  let x = 21
  const items = contestants.map((contestant) => {
    const item = element("circle", { cx: x, cy: y - 4, r: 5, fill: colorOf(contestant) }) + text(contestant, x + 9, y)
    x += legendWidth(contestant)
    return item
  })
  return items.join("")
}

/** The bounds of what is drawn, with 1 and some room in them. */
const bounds = (values: ReadonlyArray<number>): readonly [number, number] => [
  Math.min(0.9, ...values) * 0.9,
  Math.max(1.1, ...values) * 1.1
]

const nice = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000]

const ticksIn = ([low, high]: readonly [number, number]) => nice.filter((tick) => tick >= low && tick <= high)

const rowHeight = 24

/** One dot a contestant in each row, and how far the rounds are apart. */
const dots = (title: string, outcomes: ReadonlyArray<Outcome.Outcome>, measure: Outcome.Measure, top: number) => {
  const marks = outcomes.flatMap((outcome) =>
    outcome.rows.flatMap(({ contestant }) => {
      const values = Outcome.ratios(outcome, measure, contestant)
      const middle = Outcome.median(values)
      const [low, high] = [Math.min(...values), Math.max(...values)]
      return middle === undefined ? [] : [{ contestant, row: outcome.scenario.name, middle, low, high }]
    })
  )
  const names = outcomes.map(({ scenario }) => scenario.name)
  const bottom = top + 30 + names.length * rowHeight
  const domain = bounds(marks.flatMap(({ high, low }) => [low, high]))
  const x = scaleLog(domain, [left, right])
  const y = scalePoint(names, [top + 24, bottom]).padding(0.5)
  const yOf = (name: string) => y(name) ?? top
  // The bus is drawn last, on top of the others.
  const ordered = marks.toSorted((a, b) => Number(a.contestant === "eventbus") - Number(b.contestant === "eventbus"))
  const drawn = [
    text(title, 16, top + 8, { "font-weight": 600 }),
    ...ticksIn(domain).map(
      (tick) =>
        line(x(tick), top + 24, x(tick), bottom, tick === 1 ? "#1f2937" : "#e2e8f0") +
        text(`${tick}`, x(tick), bottom + 14, { "text-anchor": "middle", fill: "#64748b", "font-size": 10 })
    ),
    ...names.map((name) => text(name, left - 12, yOf(name) + 4, { "text-anchor": "end" })),
    ...ordered.map(({ contestant, high, low, middle, row }) => {
      const color = colorOf(contestant)
      const r = contestant === "eventbus" ? 6 : 4.5
      return (
        line(x(low), yOf(row), x(high), yOf(row), `${color}66`, 2) +
        element("circle", { cx: x(middle), cy: yOf(row), r, fill: color })
      )
    })
  ]
  return { drawn, bottom: bottom + 36 }
}

/**
 * The ratios of all scenarios, with a line where the baseline is.
 *
 * @category formatting
 * @since 0.1.0
 */
export const ratios = (outcomes: ReadonlyArray<Outcome.Outcome>, machine: Machine.Machine): string => {
  const present = new Set(outcomes.flatMap(({ rows }) => rows.map(({ contestant }) => contestant)))
  const legends = [...new Set(outcomes.map(({ scenario }) => scenario.broker))]
    .flatMap((broker) => legendRows(Contestants.names(broker).filter((name) => present.has(name))))
    .map((row, i) => legend(row, 46 + 18 * i))
  const content: Array<string> = []
  let top = 40 + 18 * legends.length
  const panel = (title: string, among: ReadonlyArray<Outcome.Outcome>, measure: Outcome.Measure): void => {
    if (among.length === 0) return
    const { bottom, drawn } = dots(title, among, measure, top)
    content.push(...drawn)
    top = bottom
  }
  const on = (broker: "rabbitmq" | "memory") => outcomes.filter(({ scenario }) => scenario.broker === broker)
  const paced = on("rabbitmq").filter(({ scenario }) => scenario.work === "paced")
  const loaded = on("rabbitmq").filter(({ scenario }) => scenario.work !== "paced")
  panel("Throughput against raw amqplib: more is better", loaded, "throughput")
  panel("CPU an event against raw amqplib: less is better", loaded, "cpu")
  panel("p99 latency against raw amqplib: less is better", paced, "p99")
  panel("In memory, throughput against smqp: more is better", on("memory"), "throughput")
  return document("How fast", top + 10, machine, [...legends, ...content])
}

const cell = { width: 380, height: 170 }

/** One small chart of lines, both axes logarithmic. */
const lines = ({ lines, series }: Growth, left: number, top: number): string => {
  const inner = { left: left + 40, right: left + cell.width - 20, top: top + 30, bottom: top + cell.height - 34 }
  const xs = series.points.map(({ x }) => x)
  const domain = bounds(lines.flatMap(({ points }) => points.map(({ cost }) => cost)))
  const x = scaleLog([Math.min(...xs), Math.max(...xs)], [inner.left, inner.right])
  const y = scaleLog(domain, [inner.bottom, inner.top])
  const ours = lines.find(({ contestant }) => contestant === "eventbus")?.grows ?? ""
  const small = { fill: "#64748b", "font-size": 10 }
  return [
    text(`${series.of}${series.broker === "memory" ? ", in memory" : ""}: ${ours}`, left + 16, top + 14, {
      "font-weight": 600
    }),
    ...ticksIn(domain).map(
      (tick) =>
        line(inner.left, y(tick), inner.right, y(tick), tick === 1 ? "#1f2937" : "#e2e8f0") +
        text(`${tick}`, inner.left - 6, y(tick) + 3, { "text-anchor": "end", ...small })
    ),
    ...xs.map((at) => text(at.toLocaleString("en"), x(at), inner.bottom + 14, { "text-anchor": "middle", ...small })),
    ...lines.map(({ contestant, points }) => {
      const color = colorOf(contestant)
      const path = points.map(({ cost, x: at }) => `${x(at)},${y(cost)}`).join(" ")
      return (
        element("polyline", { points: path, fill: "none", stroke: color, "stroke-width": 2 }) +
        points.map(({ cost, x: at }) => element("circle", { cx: x(at), cy: y(cost), r: 3, fill: color })).join("")
      )
    })
  ].join("\n")
}

/**
 * How the cost of an event grows, relative to the first point of each line.
 *
 * @category formatting
 * @since 0.1.0
 */
export const growth = (growths: ReadonlyArray<Growth>, machine: Machine.Machine): string => {
  const charts = growths.map((growth, i) => lines(growth, (i % 2) * cell.width, 64 + Math.floor(i / 2) * cell.height))
  const height = 64 + Math.ceil(growths.length / 2) * cell.height + 30
  const present = new Set(growths.flatMap(({ lines }) => lines.map(({ contestant }) => contestant)))
  return document("The CPU time of an event, as something grows", height, machine, [
    legend([...present], 46),
    ...charts
  ])
}
