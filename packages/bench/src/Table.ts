/**
 * Results as text, 80 columns wide.
 *
 * @since 0.1.0
 */

import { styleText } from "node:util"
import * as Contestants from "./Contestants.ts"
import type { Growth } from "./Growth.ts"
import * as Outcome from "./Outcome.ts"
import type { Profile, Share } from "./Profile.ts"
import type { Scenario } from "./Scenario.ts"
import type { Target } from "./Targets.ts"

// Styled for a terminal alone, and not where `NO_COLOR` is set: `styleText` looks.
const bold = (text: string): string => styleText("bold", text)
const dim = (text: string): string => styleText("dim", text)

const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2))

const ratio = (values: ReadonlyArray<number>): string => {
  const middle = Outcome.median(values)
  if (middle === undefined) return ""
  const [low, high] = [Math.min(...values), Math.max(...values)]
  return values.length === 1 ? number(middle) : `${number(middle)} (${number(low)}–${number(high)})`
}

const widths = [26, 24, 24] as const

const line = (cells: ReadonlyArray<string>): string =>
  cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join("")
    .trimEnd()

const speed = ["throughput", "cpu"] as const

/** The two measures that a row shows. */
const measuresOf: Readonly<Record<Scenario["work"], readonly [Outcome.Measure, Outcome.Measure]>> = {
  publish: speed,
  consume: speed,
  both: speed,
  paced: ["p50", "p99"],
  request: ["throughput", "p50"]
}

/**
 * The ratios of a scenario: the median of the rounds, and in which bounds they were.
 *
 * @category formatting
 * @since 0.1.0
 */
export const scenario = (outcome: Outcome.Outcome): string => {
  const { rows, scenario } = outcome
  const base = Contestants.baseline[scenario.broker]
  const measures = measuresOf[scenario.work]
  const titles = { throughput: "throughput", cpu: "CPU an event", p50: "p50", p99: "p99" }
  return [
    `${bold(scenario.name)}: ${scenario.does}`,
    dim(line([`  against ${base}`, ...measures.map((measure) => titles[measure])])),
    ...rows.map(({ contestant, failure }) => {
      const cells = measures.map((measure) =>
        contestant === base ? "1" : ratio(Outcome.ratios(outcome, measure, contestant))
      )
      if (cells.every((cell) => cell === ""))
        return `  ${contestant.padEnd(24)}${`failed: ${failure ?? ""}`.slice(0, 54)}`
      const text = line([`  ${contestant}`, ...cells])
      return contestant === "eventbus" ? bold(text) : text
    })
  ].join("\n")
}

/**
 * How costs grow: relative to the first point, an event's CPU time and the most
 * memory of the process.
 *
 * @category formatting
 * @since 0.1.0
 */
export const growth = ({ lines, outcomes, series }: Growth): string =>
  [
    `${bold(series.name)}: the cost of an event against ${series.of}`,
    ...lines.map(({ contestant, grows, points }) => {
      const costs = points.map(({ cost, x }) => `${x}: ${number(cost)}`).join("  ")
      const memory = points.at(-1)?.memory
      const text = `  ${contestant.padEnd(10)}${grows.padEnd(13)}${costs}`
      return memory === undefined ? text : `${text}  ${dim(`memory ${number(memory)}`)}`
    }),
    ...outcomes.flatMap(({ rows }, i) =>
      rows.flatMap(({ contestant, failure }) =>
        failure === undefined ? [] : [`  ${contestant} failed at ${series.points[i]?.x}: ${failure}`.slice(0, 80)]
      )
    )
  ].join("\n")

/**
 * The targets, each with its measurement.
 *
 * @category formatting
 * @since 0.1.0
 */
export const targets = (targets: ReadonlyArray<Target>): string =>
  [
    bold("Targets"),
    ...targets.map(({ isMet, measured, wanted, what }) => {
      const mark = isMet ? styleText("green", "✓") : styleText("red", "✗")
      return `  ${mark} ${what.padEnd(24)} ${wanted.padEnd(6)} ${measured}`
    })
  ].join("\n")

const share = ({ name, share }: Share): string => `  ${(100 * share).toFixed(1).padStart(5)} %  ${name.slice(0, 68)}`

/**
 * Formats where the time of a profile went: the first fifteen modules and functions.
 *
 * @category formatting
 * @since 0.1.0
 */
export const profile = (title: string, { functions, modules }: Profile): string =>
  [
    `${bold(title)}: CPU time by module`,
    ...modules.slice(0, 15).map(share),
    dim("  and by function"),
    ...functions.slice(0, 15).map(share)
  ].join("\n")
