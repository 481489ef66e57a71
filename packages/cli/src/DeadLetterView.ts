/**
 * A dead letter, or a group of them, as lines: for a person, or for a program.
 *
 * @since 0.1.0
 */

import * as DeadLetter from "effect-eventbus/DeadLetter"
import type { Group } from "effect-eventbus/DeadLetters"
import { displayWidth } from "effect/cli/CliOutput"
import { cut, type Output, pad, type Paint, plain, type Style } from "./Output.ts"

type Look = Pick<Output["Service"], "columns" | "paint">

const time = (millis: number | undefined): string | undefined =>
  millis === undefined ? undefined : new Date(millis).toISOString()

/**
 * The letter as it is exported, with the id by which it is called.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toJson = (letter: DeadLetter.DeadLetter): unknown => ({
  ...DeadLetter.toJson(letter),
  id: letter.id,
  type: letter.type
})

/**
 * The group as an object.
 *
 * @category formatting
 * @since 0.1.0
 */
export const groupToJson = ({ first, last, ...group }: Group): unknown => ({
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

/** How long ago that was, in its largest unit. */
const age = (millis: number | undefined, now: number): string => {
  if (millis === undefined) return "-"
  const [unit, name] = units.find(([unit]) => now - millis >= unit) ?? [1000, "s"]
  return `${Math.max(0, Math.floor((now - millis) / unit))}${name}`
}

const shortest = 8

/** How many characters tell these ids apart. */
const lengthOf = (ids: ReadonlyArray<string>): number => {
  const different = new Set(ids)
  const longest = Math.max(shortest, ...ids.map((id) => id.length))
  let width = shortest
  while (width < longest && new Set(ids.map((id) => id.slice(0, width))).size < different.size) width++
  return width
}

/** A column of a table: how wide it may be, and how it looks. */
interface Column<A> {
  readonly title: string
  readonly cell: (item: A) => string
  readonly most?: number | undefined
  readonly isNumber?: boolean | undefined
  readonly style?: Style | undefined
}

/** The rows of a table, its titles first; and how wide they are. */
const rowsOf = <A>(columns: ReadonlyArray<Column<A>>, items: ReadonlyArray<A>, paint: Paint) => {
  const drawn = columns.map(({ cell, isNumber = false, most = Infinity, style, title }) => {
    const texts = [title, ...items.map((item) => cut(plain(cell(item)), most))]
    const width = Math.max(...texts.map(displayWidth))
    const cells = texts.map((text) => (isNumber ? text.padStart(width) : pad(text, width)))
    return { width, cells: cells.map((cell, i) => (i > 0 && style !== undefined ? paint(style, cell) : cell)) }
  })
  const width = drawn.reduce((sum, column) => sum + column.width + 2, -2)
  const [titles = "", ...rows] = ["", ...items].map((_, i) => drawn.map(({ cells }) => cells[i]).join("  "))
  return { width, titles: titles.trimEnd(), rows }
}

/** What is left of a line for a message. */
const remainder = (text: string | undefined, columns: number, used: number): string =>
  cut(plain(text ?? ""), Math.max(8, columns - used))

/** The longest of the platform's types has 19 letters. */
const typeWidth = 19

/**
 * The letters as a table: what one needs in order to choose. What went wrong is cut
 * to the width of the terminal.
 *
 * @category formatting
 * @since 0.1.0
 */
export const table = (
  letters: ReadonlyArray<DeadLetter.DeadLetter>,
  now: number,
  { columns = Infinity, paint }: Look
): string => {
  const idLength = lengthOf(letters.map(({ id }) => id))
  const { rows, titles, width } = rowsOf<DeadLetter.DeadLetter>(
    [
      { title: "ID", cell: ({ id }) => id.slice(0, idLength), style: "bold" },
      { title: "LAST", cell: ({ envelope: { fault } }) => age(fault?.lastFailedAt, now), isNumber: true },
      { title: "TYPE", cell: ({ type }) => type ?? "-", most: typeWidth },
      { title: "REASON", cell: ({ envelope: { fault } }) => fault?.reason ?? "-", most: 17, style: "red" },
      { title: "TRY", cell: ({ envelope: { fault } }) => String(fault?.attempts ?? "-"), isNumber: true }
    ],
    letters,
    paint
  )
  const messages = letters.map(({ envelope: { fault } }) => remainder(fault?.message, columns, width + 2))
  const heading = `${titles.padEnd(width)}  MESSAGE`
  return [paint("dim", heading), ...rows.map((row, i) => `${row}  ${messages[i]}`.trimEnd())].join("\n")
}

/**
 * The groups as a table, with a sample of what went wrong below each.
 *
 * @category formatting
 * @since 0.1.0
 */
export const groupTable = (groups: ReadonlyArray<Group>, now: number, { columns = Infinity, paint }: Look): string => {
  const { rows, titles } = rowsOf<Group>(
    [
      { title: "COUNT", cell: ({ count }) => String(count), isNumber: true, style: "bold" },
      { title: "LAST", cell: ({ last }) => age(last, now), isNumber: true },
      { title: "REASON", cell: ({ reason }) => reason ?? "-", most: 24, style: "red" },
      { title: "TYPE", cell: ({ type }) => type ?? "-", most: 24 },
      { title: "FINGERPRINT", cell: ({ fingerprint }) => fingerprint ?? "-", style: "cyan" }
    ],
    groups,
    paint
  )
  const indent = " ".repeat(13)
  const samples = groups.map(({ sample }) => remainder(sample.message, columns, indent.length))
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
  const said = text(body)
  if (said === undefined) return `${body.length} bytes that are no text`
  try {
    return JSON.stringify(JSON.parse(said), null, 2)
  } catch {
    return said
  }
}

const plainLines = (text: string): string => text.split("\n").map(plain).join("\n")

/**
 * All there is to know of a letter.
 *
 * @category formatting
 * @since 0.1.0
 */
export const page = (letter: DeadLetter.DeadLetter, now: number, { paint }: Look): string => {
  const { envelope, id, type } = letter
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
    ["reason", fault?.reason ?? "nobody said why"],
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
  const stack = fault?.stack === undefined ? [] : ["", paint("bold", "STACK"), plainLines(fault.stack)]
  return [...shown, "", paint("bold", "BODY"), plainLines(prettyBody(envelope.body)), ...stack].join("\n")
}
