/**
 * Dead letters and groups of them as lines: for a person, or for a program.
 *
 * @since 0.1.0
 */

import * as DeadLetter from "effect-eventbus/DeadLetter"
import type { Group } from "effect-eventbus/DeadLetters"
import { displayWidth } from "effect/cli/CliOutput"
import * as LosslessJson from "./LosslessJson.ts"
import { cut, type Output, pad, type Paint, pipedColumns, plain, type Style } from "./Output.ts"
import * as StackView from "./StackView.ts"

type View = Pick<Output["Service"], "columns" | "paint">

const time = (millis: number | undefined): string | undefined =>
  millis === undefined ? undefined : new Date(millis).toISOString()

/**
 * Returns a dead letter as it is exported, with its id and event type.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toJson = (deadLetter: DeadLetter.DeadLetter): unknown => ({
  ...DeadLetter.toJson(deadLetter),
  id: deadLetter.id,
  type: deadLetter.type
})

/**
 * A group, with its queue where there are several.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueGroup extends Group {
  readonly queue?: string | undefined
}

/**
 * Returns a group as JSON.
 *
 * @category formatting
 * @since 0.1.0
 */
export const groupToJson = ({ first, last, ...group }: QueueGroup): unknown => ({
  ...group,
  first_failed_at: time(first),
  last_failed_at: time(last)
})

const units = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1000, "s"]
] as const

/** Formats an age in its largest unit. */
const age = (millis: number | undefined, now: number): string => {
  if (millis === undefined) return "-"
  const [unit, name] = units.find(([unit]) => now - millis >= unit) ?? [1000, "s"]
  return `${Math.max(0, Math.floor((now - millis) / unit))}${name}`
}

const minIdLength = 8

/** Returns the number of characters that distinguish these ids. */
const lengthOf = (ids: ReadonlyArray<string>): number => {
  const different = new Set(ids)
  const longest = Math.max(minIdLength, ...ids.map((id) => id.length))
  let width = minIdLength
  while (width < longest && new Set(ids.map((id) => id.slice(0, width))).size < different.size) width++
  return width
}

/** A column of a table. */
interface Column<A> {
  readonly title: string
  readonly cell: (item: A) => string
  readonly maxWidth?: number | undefined
  readonly isNumber?: boolean | undefined
  readonly style?: Style | undefined
}

/** Formats the titles and rows of a table, and returns their width. */
const rowsOf = <A>(columns: ReadonlyArray<Column<A>>, items: ReadonlyArray<A>, paint: Paint) => {
  const drawn = columns.map(({ cell, isNumber = false, maxWidth = Infinity, style, title }) => {
    const texts = [title, ...items.map((item) => cut(plain(cell(item)), maxWidth))]
    const width = Math.max(...texts.map(displayWidth))
    const cells = texts.map((text) => (isNumber ? text.padStart(width) : pad(text, width)))
    return { width, cells: cells.map((cell, i) => (i > 0 && style !== undefined ? paint(style, cell) : cell)) }
  })
  const width = drawn.reduce((sum, column) => sum + column.width + 2, -2)
  const [titles = "", ...rows] = ["", ...items].map((_, i) => drawn.map(({ cells }) => cells[i]).join("  "))
  return { width, titles: titles.trimEnd(), rows }
}

/** Cuts a message to the rest of a line. */
const remainder = (text: string, columns: number, used: number): string => cut(plain(text), Math.max(8, columns - used))

/** The longest key that a line shows whole. */
const keyWidth = 24

/** Returns a message behind what it is about, where there are both. */
const behind = (subject: string | undefined, message = ""): string =>
  [subject ?? "", message].filter((part) => part !== "").join(": ")

const keyOf = (key: string | undefined) => (key === undefined ? undefined : `key ${cut(plain(key), keyWidth)}`)

/** The longest event type of the platform has 19 characters. */
const typeWidth = 19

/**
 * Formats dead letters as a table. Messages are cut to the width of the terminal.
 *
 * @category formatting
 * @since 0.1.0
 */
export const table = (
  deadLetters: ReadonlyArray<DeadLetter.DeadLetter>,
  now: number,
  { columns = pipedColumns, paint }: View
): string => {
  const idLength = lengthOf(deadLetters.map(({ id }) => id))
  const { rows, titles, width } = rowsOf<DeadLetter.DeadLetter>(
    [
      { title: "ID", cell: ({ id }) => id.slice(0, idLength), style: "bold" },
      { title: "LAST", cell: ({ envelope: { fault } }) => age(fault?.lastFailedAt, now), isNumber: true },
      { title: "TYPE", cell: ({ type }) => type ?? "-", maxWidth: typeWidth },
      { title: "REASON", cell: ({ envelope: { fault } }) => fault?.reason ?? "-", maxWidth: 17, style: "red" },
      { title: "TRY", cell: ({ envelope: { fault } }) => String(fault?.attempts ?? "-"), isNumber: true }
    ],
    deadLetters,
    paint
  )
  const messages = deadLetters.map(({ envelope: { fault, key } }) =>
    remainder(behind(keyOf(key), fault?.message), columns, width + 2)
  )
  const heading = `${titles.padEnd(width)}  MESSAGE`
  return [paint("dim", heading), ...rows.map((row, i) => `${row}  ${messages[i]}`.trimEnd())].join("\n")
}

/** Returns the example of a group, behind its key or the number of its keys. */
const sampleOf = ({ key, keys = 0, sample: { message } }: Group): string =>
  behind(keys > 1 ? `${keys} keys` : keyOf(key), message)

/**
 * Formats groups as a table, with an example message below each, and the key of an ordered
 * queue before it.
 *
 * @category formatting
 * @since 0.1.0
 */
export const groupTable = (
  groups: ReadonlyArray<QueueGroup>,
  now: number,
  { columns = pipedColumns, paint }: View
): string => {
  const { rows, titles } = rowsOf<QueueGroup>(
    [
      { title: "COUNT", cell: ({ count }) => String(count), isNumber: true, style: "bold" },
      { title: "LAST", cell: ({ last }) => age(last, now), isNumber: true },
      { title: "REASON", cell: ({ reason }) => reason ?? "-", maxWidth: 24, style: "red" },
      { title: "TYPE", cell: ({ type }) => type ?? "-", maxWidth: 24 },
      { title: "FINGERPRINT", cell: ({ fingerprint }) => fingerprint ?? "-", style: "cyan" },
      ...(groups.some(({ queue }) => queue !== undefined)
        ? [{ title: "QUEUE", cell: ({ queue = "-" }: QueueGroup) => queue }]
        : [])
    ],
    groups,
    paint
  )
  const indent = " ".repeat(13)
  const samples = groups.map((group) => remainder(sampleOf(group), columns, indent.length))
  const below = (sample: string | undefined) => (sample ? [`${indent}${paint("dim", sample)}`] : [])
  return [paint("dim", titles), ...rows.flatMap((row, i) => [row.trimEnd(), ...below(samples[i])])].join("\n")
}

const text = (body: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body)
  } catch {
    return undefined
  }
}

const prettyBody = (body: Uint8Array): string => {
  const decoded = text(body)
  if (decoded === undefined) return `${body.length} bytes, not valid UTF-8`
  try {
    return JSON.stringify(LosslessJson.parse(decoded), null, 2)
  } catch {
    return decoded
  }
}

const plainLines = (text: string): string => text.split("\n").map(plain).join("\n")

/**
 * Formats all details of a dead letter.
 *
 * @category formatting
 * @since 0.1.0
 */
export const page = (deadLetter: DeadLetter.DeadLetter, now: number, { paint }: View): string => {
  const { envelope, id, type } = deadLetter
  const { fault } = envelope
  const when = (millis: number | undefined) =>
    millis === undefined ? undefined : `${time(millis)} (${age(millis, now)} ago)`
  const rows: ReadonlyArray<readonly [string, string | number | undefined]> = [
    ["id", id],
    ["type", type],
    ["version", envelope.version],
    ["exchange", envelope.origin?.exchange],
    ["routing key", envelope.routingKey],
    ["queue", envelope.origin?.queue],
    ["source", envelope.source],
    ["priority", envelope.priority],
    ["published", when(envelope.timestamp)],
    ["trace", envelope.traceId],
    ["traceparent", envelope.traceparent],
    ["replays", envelope.round],
    ["key", envelope.key],
    ["waits for", envelope.behind],
    ["reason", fault?.reason ?? "no reason given"],
    ["message", fault?.message],
    ["fingerprint", fault?.fingerprint],
    ["attempts", fault?.attempts],
    ["first failed", when(fault?.firstFailedAt)],
    ["last failed", when(fault?.lastFailedAt)],
    ["host", fault?.host]
  ]
  const shown = rows.flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [`${paint("dim", pad(name, 14))}${plain(String(value))}`]
  )
  const stack =
    fault?.stack === undefined
      ? []
      : ["", paint("bold", "STACK"), StackView.fold(plainLines(fault.stack), (text) => paint("dim", text))]
  return [...shown, "", paint("bold", "BODY"), plainLines(prettyBody(envelope.body)), ...stack].join("\n")
}
