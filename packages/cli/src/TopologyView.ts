/**
 * A topology report as lines: for a person, or for a program.
 *
 * @since 0.1.0
 */

import type { AmqpTopology } from "@effect-eventbus/amqp"
import * as TopologyReport from "@effect-eventbus/inspect/TopologyReport"
import { type Output, pad, pipedColumns, plain, type Style, wrap } from "./Output.ts"

/**
 * A state in a word, and its style.
 *
 * @category models
 * @since 0.1.0
 */
export type Word = readonly [word: string, style: Style]

/**
 * The word for each state.
 *
 * @category formatting
 * @since 0.1.0
 */
export const words: Readonly<Record<TopologyReport.Finding["state"]["_tag"], Word>> = {
  There: ["there", "green"],
  Missing: ["missing", "yellow"],
  Different: ["differs", "red"],
  Unseen: ["unseen", "dim"],
  Hidden: ["hidden", "dim"],
  Unwanted: ["unwanted", "yellow"]
}

const argumentsOf = (item: AmqpTopology.Item): string =>
  item._tag === "Queue"
    ? Object.entries(item.declaration.arguments)
        .map(([name, value]) => `${name}=${value}`)
        .join(" ")
    : ""

const detailsOf = (finding: TopologyReport.Finding): ReadonlyArray<string> => {
  const { isOurs, item, state } = finding
  if (state._tag === "Missing") {
    const declared = argumentsOf(item)
    return isOurs ? (declared === "" ? [] : [declared]) : ["declared by another application"]
  }
  if (state._tag === "Hidden" || (state._tag === "Unseen" && item._tag !== "Binding")) return [state.why]
  return TopologyReport.differences(finding)
}

const margin = 21

/**
 * Formats a finding as a few lines: its state, kind and name, and the details of its
 * state.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (
  finding: TopologyReport.Finding,
  [word, style]: Word,
  { columns = pipedColumns, paint }: Pick<Output["Service"], "columns" | "paint">
): string => {
  const { item, state } = finding
  const name = wrap(plain(TopologyReport.nameOf(item)), columns, margin)
  const detailStyle = state._tag === "Different" ? "red" : "dim"
  return [
    `${paint(style, pad(word, 10))}${paint("dim", pad(item._tag.toLowerCase(), 11))}${name}`,
    ...detailsOf(finding).map((text) => " ".repeat(margin) + paint(detailStyle, wrap(plain(text), columns, margin)))
  ].join("\n")
}

/**
 * Returns a finding as JSON.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toJson = (
  { isOurs, item, state }: TopologyReport.Finding,
  [word]: Word
): Readonly<Record<string, unknown>> => {
  const identity =
    item._tag === "Exchange"
      ? { name: item.name, type: item.type }
      : item._tag === "Queue"
        ? { name: item.declaration.name, arguments: item.declaration.arguments }
        : { queue: item.queue, exchange: item.exchange, key: item.key }
  return {
    kind: item._tag.toLowerCase(),
    ...identity,
    ours: isOurs,
    state: word,
    ...(state._tag === "Different"
      ? {
          differences: state.differences.map(({ argument, current = null, wanted = null }) => ({
            argument,
            current,
            wanted
          }))
        }
      : {}),
    ...(state._tag === "Unseen" || state._tag === "Hidden" ? { why: state.why } : {})
  }
}
