/**
 * How far a replay has come, and what came of it. On a terminal it is a bar; where
 * stderr is something else, a line now and then.
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
  /** Shows how far it has come, if it is time to. */
  readonly show: (tally: ReplayResult) => Effect.Effect<void>
  /** Takes the bar away. */
  readonly clear: Effect.Effect<void>
}

/** The bar must fit, for a line that wraps cannot be drawn anew. */
const minimumColumns = 70
const barWidth = 28
const clearLine = "\r\u001b[2K"
const barMillis = 80
const lineMillis = 1000

/** How many letters were looked at. */
const looked = ({ done, failed, skipped }: ReplayResult): number => done + failed + skipped

/**
 * Makes a progress of something that is done to letters, to so many of them at most.
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
    const share = Math.max(looked(tally) / Math.max(1, tally.waiting), (tally.done + tally.failed) / limit)
    const filled = Math.min(barWidth, Math.round(share * barWidth))
    const drawn = paint("green", "━".repeat(filled)) + paint("dim", "─".repeat(barWidth - filled))
    const failed = tally.failed === 0 ? "" : ` · ${tally.failed} failed`
    return `${clearLine}${drawn} ${looked(tally)}/${tally.waiting} · ${tally.done} ${done}${failed}`
  }

  return {
    show: Effect.fnUntraced(function* (tally) {
      const now = yield* Clock.currentTimeMillis
      if (now - shownAt < millis) return
      shownAt = now
      isShown = isBar
      yield* isBar ? remark(bar(tally)) : note(`${tally.done} ${done}, ${looked(tally)} of ${tally.waiting} looked at`)
    }),
    clear: Effect.suspend(() => (isShown ? remark(clearLine) : Effect.void))
  }
}

/**
 * The sums at the end. They add up to what waited.
 *
 * @category formatting
 * @since 0.1.0
 */
export const summary = (tally: ReplayResult, done: string, { paint }: Pick<Output["Service"], "paint">): string => {
  const { failed, skipped, waiting } = tally
  const left = waiting - looked(tally)
  const parts = [
    `${paint(tally.done === 0 ? "dim" : "green", `${tally.done} ${done}`)}`,
    ...(skipped === 0 ? [] : [`${skipped} not meant`]),
    ...(failed === 0 ? [] : [paint("red", `${failed} failed`)]),
    ...(left === 0 ? [] : [`${left} not looked at`])
  ]
  return `${parts.join(" + ")} = ${waiting} that waited`
}

/**
 * The sums at the end, as an object.
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
  left: tally.waiting - looked(tally),
  ...(tally.failure === undefined ? {} : { failure: tally.failure.message })
})
