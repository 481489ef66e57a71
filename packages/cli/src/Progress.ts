/**
 * The progress and the result of a replay. On a terminal the progress is a bar;
 * elsewhere it is an occasional line on stderr.
 *
 * @since 0.1.0
 */

import type { ReplayResult } from "effect-eventbus/DeadLetters"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Output } from "./Output.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** Shows the progress, unless it was shown just before. */
  readonly show: (tally: ReplayResult) => Effect.Effect<void>
  /** Removes the bar. */
  readonly clear: Effect.Effect<void>
}

/** The width that the bar needs: a wrapped line cannot be redrawn. */
const minimumColumns = 70
const barWidth = 28
const clearLine = "\r\u001b[2K"
const barMillis = 80
const lineMillis = 1000

/** Returns the number of dead letters that were read. */
const scanned = ({ done, failed, skipped }: ReplayResult): number => done + failed + skipped

/**
 * Makes the progress of an operation on dead letters. `done` names the operation, and
 * `limit` is the largest number of dead letters that it takes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (output: Output["Service"], done: string, limit = Infinity): Progress => {
  const { note, paint, remark, remarkColumns = 0 } = output
  const isBar = remarkColumns >= minimumColumns
  const millis = isBar ? barMillis : lineMillis
  let shownAt = 0
  let isShown = false

  const bar = (tally: ReplayResult) => {
    const share = Math.max(scanned(tally) / Math.max(1, tally.waiting), (tally.done + tally.failed) / limit)
    const filled = Math.min(barWidth, Math.round(share * barWidth))
    const drawn = paint("green", "━".repeat(filled)) + paint("dim", "─".repeat(barWidth - filled))
    const failed = tally.failed === 0 ? "" : ` · ${tally.failed} failed`
    return `${clearLine}${drawn} ${scanned(tally)}/${tally.waiting} · ${tally.done} ${done}${failed}`
  }

  return {
    show: Effect.fnUntraced(function* (tally) {
      const now = yield* Clock.currentTimeMillis
      if (now - shownAt < millis) return
      shownAt = now
      isShown = isBar
      yield* isBar ? remark(bar(tally)) : note(`${tally.done} ${done}, ${scanned(tally)} of ${tally.waiting} scanned`)
    }),
    clear: Effect.suspend(() => (isShown ? remark(clearLine) : Effect.void))
  }
}

/**
 * Formats the result. Its numbers add up to the dead letters that waited.
 *
 * @category formatting
 * @since 0.1.0
 */
export const summary = (tally: ReplayResult, done: string, { paint }: Pick<Output["Service"], "paint">): string => {
  const { failed, skipped, waiting } = tally
  const left = waiting - scanned(tally)
  const parts = [
    `${paint(tally.done === 0 ? "dim" : "green", `${tally.done} ${done}`)}`,
    ...(skipped === 0 ? [] : [`${skipped} not selected`]),
    ...(failed === 0 ? [] : [paint("red", `${failed} failed`)]),
    ...(left === 0 ? [] : [`${left} not scanned`])
  ]
  return `${parts.join(" + ")} = ${waiting} waiting`
}

/**
 * Returns the result as JSON.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toJson = (queue: string, tally: ReplayResult, done: string): unknown => ({
  queue,
  waiting: tally.waiting,
  [done]: tally.done,
  skipped: tally.skipped,
  failed: tally.failed,
  left: tally.waiting - scanned(tally),
  ...(tally.failure === undefined ? {} : { failure: tally.failure.message })
})
