/**
 * The events that wait for a retry as lines: for a person, or for a program.
 *
 * @since 0.1.0
 */

import type { Retries, Waiting } from "@effect-eventbus/inspect/Retries"
import * as Span from "@effect-eventbus/inspect/Span"
import { cut, type Output, pad, pipedColumns, plain } from "./Output.ts"

/**
 * Returns a waiting event as JSON.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toJson = ({ delay, dueAt, envelope }: Waiting): unknown => ({
  id: envelope.id ?? null,
  type: envelope.type ?? null,
  due_at: dueAt === undefined ? null : new Date(dueAt).toISOString(),
  delay_ms: delay,
  attempt: envelope.attempt ?? null,
  reason: envelope.fault?.reason ?? null,
  message: envelope.fault?.message ?? null
})

const dueIn = (dueAt: number | undefined, now: number): string => {
  if (dueAt === undefined) return "-"
  return dueAt <= now ? "now" : Span.format(dueAt - now)
}

const dots = (text: string | undefined, width: number) => pad(cut(plain(text ?? "-"), width), width)

/**
 * Formats the numbers of events for each delay, and the events that are due next.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (
  { delays, next }: Retries,
  now: number,
  { columns = pipedColumns, paint }: Pick<Output["Service"], "columns" | "paint">
): string => {
  const counts = delays.map(
    ({ delay, messages }) => `${String(messages).padStart(6)} ${Span.format(delay).padStart(9)}`
  )
  const table = [paint("dim", "EVENTS     DELAY"), ...counts]
  if (next.length === 0) return table.join("\n")
  const rows = next.map(({ dueAt, envelope: { attempt, fault, id, type } }) => {
    const start = [
      dueIn(dueAt, now).padStart(8),
      paint("bold", dots(id?.slice(0, 8), 8)),
      dots(type, 19),
      String(attempt ?? "-").padStart(3),
      paint("red", dots(fault?.reason, 17))
    ].join("  ")
    const rest = columns - 65
    return rest < 8 ? start : `${start}  ${cut(plain(fault?.message ?? ""), rest)}`.trimEnd()
  })
  const header = `${"DUE IN".padStart(8)}  ${pad("ID", 8)}  ${pad("TYPE", 19)}  TRY  ${pad("REASON", 17)}  MESSAGE`
  return [...table, "", paint("dim", header), ...rows].join("\n")
}
