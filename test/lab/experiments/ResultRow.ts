import type { Balance } from "../ledger/EventLedger.ts"

/** The result of one experiment. */
export interface ResultRow {
  readonly fault: string
  readonly seed: number
  readonly confirmed: number
  readonly handled: number
  readonly dead: number
  readonly left: number
  /** Events that the fault itself destroyed on purpose. */
  readonly destroyed: number
  readonly lost: number
  readonly duplicates: number
  /** The number of failed publishes by reason. */
  readonly failed: { readonly [reason: string]: number }
  readonly recovered_ms: number | undefined
  readonly took_ms: number
  /** Everything that was wrong, in words. */
  readonly breaches: ReadonlyArray<string>
  readonly notes: ReadonlyArray<string>
  /** The number of log lines, spans, errors and health reports that were searched for the password. */
  readonly inspected: number
  /** The last lines of the bus's log, if something was wrong. */
  readonly log: ReadonlyArray<string>
}

/** A result in which nothing happened. */
export const empty: Omit<ResultRow, "fault" | "seed" | "took_ms"> = {
  confirmed: 0,
  handled: 0,
  dead: 0,
  left: 0,
  destroyed: 0,
  lost: 0,
  duplicates: 0,
  failed: {},
  recovered_ms: undefined,
  breaches: [],
  notes: [],
  inspected: 0,
  log: []
}

/** Returns the counts of a balance. */
export const counts = ({ confirmed, dead, destroyed, duplicates, failed, handled, left, lost }: Balance) => ({
  confirmed,
  handled,
  dead,
  left,
  destroyed,
  lost: lost.length,
  duplicates,
  failed
})

/** Returns whether nothing was wrong. */
export const holds = ({ breaches, lost }: ResultRow): boolean => lost === 0 && breaches.length === 0

/** Formats a result as one line, followed by a line for each breach. */
export const line = (row: ResultRow): string => {
  const failures = Object.entries(row.failed).map(([reason, count]) => ` ${reason}=${count}`)
  const rare = (["left", "destroyed"] as const).flatMap((key) => (row[key] === 0 ? [] : [` ${key}=${row[key]}`]))
  return [
    `fault=${row.fault} confirmed=${row.confirmed} handled=${row.handled} dead=${row.dead} lost=${row.lost}`,
    ` duplicates=${row.duplicates} recovered_ms=${row.recovered_ms ?? "-"}`,
    ...rare,
    ...failures,
    ...row.notes.map((note) => ` (${note})`),
    ...row.breaches.map((breach) => `\n    ✗ ${breach}`)
  ].join("")
}

const columns = ["confirmed", "handled", "dead", "lost", "duplicates", "recovered_ms"] as const

const titles: Record<(typeof columns)[number], string> = {
  confirmed: "confirmed",
  handled: "handled",
  dead: "dead",
  lost: "lost",
  duplicates: "dupl.",
  recovered_ms: "back ms"
}

/** Formats results as a table of at most 80 columns. */
export const table = (rows: ReadonlyArray<ResultRow>): string => {
  const text = (row: ResultRow) => [row.fault.slice(0, 26), ...columns.map((column) => `${row[column] ?? "-"}`)]
  const total = (column: (typeof columns)[number]) => rows.reduce((sum, row) => sum + (row[column] ?? 0), 0)
  const sums = columns.map((column) => (column === "recovered_ms" ? "" : `${total(column)}`))
  const lines = [["fault", ...columns.map((column) => titles[column])], ...rows.map(text), ["all", ...sums]]
  const widths = ["fault", ...columns].map((_, i) => Math.max(...lines.map((cells) => (cells[i] ?? "").length)))
  const show = (cells: ReadonlyArray<string>, mark: string) =>
    `${mark} ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")}`
  const rule = "─".repeat(show(lines[0] ?? [], " ").length)
  const [head = [], ...others] = lines
  const body = rows.map((row, i) => show(others[i] ?? [], holds(row) ? "✓" : "✗"))
  return [show(head, " "), rule, ...body, rule, show(others.at(-1) ?? [], " ")].join("\n")
}
