/** The filter of a page of dead letters, as it stands in the address. */
import type { Selection } from "../../../src/ConsoleJob.ts"
import type { Query } from "../state/route.ts"
import type { Flags } from "../text/command.ts"

/** A filter of a page of dead letters. All of it is text, as it is in the address. */
export interface Filter {
  readonly fingerprint?: string | undefined
  readonly type?: string | undefined
  readonly reason?: string | undefined
  readonly key?: string | undefined
  readonly text?: string | undefined
  readonly olderThan?: number | undefined
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

const isUnit = (unit: string | undefined): unit is keyof typeof units =>
  unit !== undefined && Object.hasOwn(units, unit)

/** Reads an age such as `15m`, `2h` or `7d`. */
export const millisOf = (age: string | null): number | undefined => {
  const [, digits, unit] = /^(\d{1,4})([mhd])$/.exec(age ?? "") ?? []
  return isUnit(unit) ? Number(digits) * units[unit] : undefined
}

/** Reads a filter from an address. */
export const filterOf = (query: URLSearchParams): Filter => {
  const text = (name: string) => query.get(name) ?? undefined
  const filter = {
    fingerprint: text("group"),
    type: text("type"),
    reason: text("reason"),
    key: text("key"),
    text: text("q"),
    olderThan: millisOf(query.get("older"))
  }
  return filter
}

/** A query without any filter. */
export const unfiltered: Query = {
  group: undefined,
  type: undefined,
  reason: undefined,
  key: undefined,
  q: undefined,
  older: undefined
}

/** Whether a filter leaves anything out. */
export const isFiltered = (filter: Filter): boolean => Object.values(filter).some((value) => value !== undefined)

/** Returns the flags of a command that has the same filter. */
export const flagsOf = (query: URLSearchParams): Flags => ({
  type: query.get("type") ?? undefined,
  reason: query.get("reason") ?? undefined,
  group: query.get("group") ?? undefined,
  key: query.get("key") ?? undefined,
  "older-than": millisOf(query.get("older")) === undefined ? undefined : (query.get("older") ?? undefined),
  text: query.get("q") ?? undefined
})

/** Returns the selection of a filter for a job. Without a filter it is all of the queue. */
export const selectionOf = (filter: Filter): typeof Selection.Type => (isFiltered(filter) ? filter : { all: true })

/** Returns the parameters of a selection for an export. */
export const exportQuery = (selection: typeof Selection.Type): Readonly<Record<string, string | undefined>> => ({
  ids: selection.ids?.join(","),
  fingerprint: selection.fingerprint,
  type: selection.type,
  reason: selection.reason,
  key: selection.key,
  text: selection.text,
  olderThan: selection.olderThan === undefined ? undefined : String(selection.olderThan)
})
