/**
 * The answers of a failure policy, in words.
 *
 * @since 0.1.0
 */

import type { Outcome } from "./Explanation.ts"
import * as Span from "./Span.ts"

/**
 * Formats the shortest and the longest of a delay, in milliseconds.
 *
 * @category formatting
 * @since 0.1.0
 */
export const range = ([least, most]: readonly [number, number]): string => {
  const [[from, fromUnit], [to, toUnit]] = [Span.parts(least), Span.parts(most)]
  if (fromUnit !== toUnit) return `${from} ${fromUnit} to ${to} ${toUnit}`
  return from === to ? `${from} ${fromUnit}` : `${from} to ${to} ${fromUnit}`
}

/** Of a longer list of delays, the first ones and the last are shown. */
const shown = 5

const after = (delays: Outcome["delays"]): string => {
  const texts = delays.map(range)
  const last = texts.at(-1) ?? ""
  if (texts.every((text) => text === last)) return `${last}${texts.length > 1 ? " each" : ""}`
  const first = texts.slice(0, shown).join(", ")
  return texts.length <= shown ? first : `${first}, … ${last}`
}

const ends: Record<Outcome["end"], string> = {
  "dead-lettered": "dead-lettered",
  discarded: "discarded",
  acknowledged: "acknowledged",
  requeued: "requeued",
  paused: "paused",
  unknown: "it depends on the error"
}

/**
 * Formats the fate of an event whose handler fails: its retries and its end.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describe = ({ delays, end, isEndless, isUpToEvent, isUpToTime, pauses }: Outcome): string => {
  if (pauses.length > 0) {
    const then = isEndless ? "" : `; then ${ends[end]}`
    return `the subscription pauses until one succeeds: ${after(pauses)}${then}`
  }
  if (delays.length === 0) return end === "unknown" ? ends[end] : `${ends[end]} at once`
  const often = isEndless
    ? "without limit"
    : isUpToEvent
      ? `up to max_retries times (${delays.length} by default)`
      : `${isUpToTime ? "at most " : ""}${delays.length === 1 ? "once" : `${delays.length} times`}`
  const fewer = isUpToTime && !isUpToEvent ? ", or fewer if handlers and queues take long" : ""
  const attempts = isUpToEvent || isUpToTime ? "" : `, after ${delays.length + 1} attempts`
  const then = isEndless ? "" : `; then ${ends[end]}${attempts}`
  return `retried ${often}${fewer}, after ${after(delays)}${then}`
}
