/**
 * The screen of the demo: a line for each occurrence and, on a terminal, a progress bar
 * below them.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { cut, type Output, type OutputError, pad, plain, type Style } from "../Output.ts"
import type { Check, Ledger } from "./Ledger.ts"
import * as Script from "./Script.ts"

/**
 * An occurrence in the demo.
 *
 * @category models
 * @since 0.1.0
 */
export interface Happening {
  readonly who: string
  readonly what: string
  readonly style: Style
  readonly task?: string | undefined
  readonly detail: string
  /** Further details, on a separate line. */
  readonly more?: string | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Screen {
  readonly show: (happening: Happening) => Effect.Effect<void>
  readonly print: (text: string) => Effect.Effect<void>
  /** Shows or hides the progress bar. */
  readonly progress: (isShown: boolean) => Effect.Effect<void>
  /** Fails when the output can no longer be written. */
  readonly closed: Effect.Effect<never, OutputError>
  /** Seconds since the start. */
  readonly elapsed: Effect.Effect<number>
}

/** All lines fit a terminal of this width. */
const width = 80
/** The width that the progress bar needs: a wrapped line cannot be redrawn. */
const minimumColumns = 70
const barWidth = 28
const clearLine = "\r\u001b[2K"

const columnWidths = { time: 6, who: 12, what: 11, task: 4 }
const detailColumn = 2 + columnWidths.time + 2 + columnWidths.who + 2 + columnWidths.what + 2 + columnWidths.task + 2

const plural = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`

/**
 * Makes a screen that shows the progress of the ledger.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (output: Output["Service"], ledger: Ledger) {
  const { columns, paint, write } = output
  const start = yield* Clock.currentTimeMillis
  const closed = yield* Deferred.make<never, OutputError>()
  const total = Script.tasks.length
  let isProgressShown = false

  const elapsed = Effect.map(Clock.currentTimeMillis, (now) => (now - start) / 1000)

  const bar = () => {
    const ended = ledger.completed + ledger.deadLettered
    const filled = Math.round((ended / total) * barWidth)
    const dead = Math.round((ledger.deadLettered / total) * barWidth)
    const drawn =
      paint("green", "━".repeat(filled - dead)) +
      paint("red", "━".repeat(dead)) +
      paint("dim", "─".repeat(barWidth - filled))
    const counts = [
      `${String(ended).padStart(2)}/${total}`,
      plural(ledger.retries, "retry", "retries"),
      plural(ledger.deadLettered, "dead letter", "dead letters")
    ]
    return `  ${drawn} ${counts.join(" · ")}`
  }

  /** Writes above the progress bar. One write avoids flicker. */
  const print = (text: string): Effect.Effect<void> =>
    Effect.suspend(() => write(`${isProgressShown ? clearLine : ""}${text}\n${isProgressShown ? bar() : ""}`)).pipe(
      Effect.catch((error) => Effect.asVoid(Deferred.fail(closed, error)))
    )

  const show = Effect.fnUntraced(function* ({ detail, more, style, task = "", what, who }: Happening) {
    const time = `${(yield* elapsed).toFixed(2)}s`.padStart(columnWidths.time)
    const line = [
      `  ${paint("dim", time)}`,
      pad(who, columnWidths.who),
      paint(style, pad(what, columnWidths.what)),
      pad(task, columnWidths.task),
      cut(plain(detail), width - detailColumn)
    ].join("  ")
    const below = more === undefined ? "" : `\n${" ".repeat(10)}${paint("dim", cut(plain(more), width - 10))}`
    yield* print(`${line.trimEnd()}${below}`)
  })

  const screen: Screen = {
    show,
    print,
    progress: (isShown) =>
      Effect.suspend(() => {
        if (columns === undefined || columns < minimumColumns || isShown === isProgressShown) return Effect.void
        isProgressShown = isShown
        return Effect.ignore(write(isShown ? bar() : clearLine))
      }),
    closed: Deferred.await(closed),
    elapsed
  }
  return screen
})

/** Counts each word. */
const tally = (words: ReadonlyArray<string>): string =>
  [...new Set(words)].map((word) => `${words.filter((other) => other === word).length} ${word}`).join(", ")

/**
 * Formats the totals, and whether they add up.
 *
 * @category formatting
 * @since 0.1.0
 */
export const summary = (
  ledger: Ledger,
  checks: ReadonlyArray<Check>,
  { paint }: Output["Service"],
  end: string
): string => {
  const row = (name: string, count: number, style: Style, remark = "") =>
    `  ${pad(name, 14)}${paint(style, String(count).padStart(4))}${remark === "" ? "" : `   ${paint("dim", remark)}`}`
  return [
    "",
    row("submitted", ledger.submitted, "cyan"),
    row("completed", ledger.completed, "green"),
    row("dead letters", ledger.deadLettered, "red", plain(tally(ledger.reasons))),
    row("mended", ledger.mended, "green"),
    row("retries", ledger.retries, "yellow"),
    row("events", ledger.events, "bold"),
    "",
    ...checks.map(({ holds, text }) => `  ${holds ? paint("green", "✓") : paint("red", "✗")} ${text}`),
    "",
    `  ${end}`
  ].join("\n")
}
