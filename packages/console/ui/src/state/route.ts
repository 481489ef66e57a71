/** Pages and their addresses. */

/** The page that an address names. */
export type Page =
  | { readonly _tag: "Overview" | "Jobs" | "Tail" | "Topology" | "Contracts" | "Outbox" | "Schedule" | "Doctor" }
  | { readonly _tag: "Queue" | "DeadLetters"; readonly queue: string }
  | { readonly _tag: "DeadLetter" | "Edit"; readonly queue: string; readonly id: string }
  | { readonly _tag: "Trace"; readonly id: string }
  | { readonly _tag: "Unknown"; readonly path: string }

/** The parameters of an address. Those that are `undefined` are left out. */
export type Query = Readonly<Record<string, string | undefined>>

const single = {
  "": "Overview",
  jobs: "Jobs",
  tail: "Tail",
  topology: "Topology",
  contracts: "Contracts",
  outbox: "Outbox",
  schedule: "Schedule",
  doctor: "Doctor"
} as const

const isSingle = (segment: string): segment is keyof typeof single => Object.hasOwn(single, segment)

/** Decodes a path below the prefix of the console. */
export const pageOf = (path: string): Page => {
  const unknown: Page = { _tag: "Unknown", path }
  let segments: ReadonlyArray<string>
  try {
    segments = path
      .split("/")
      .filter((segment) => segment !== "")
      .map(decodeURIComponent)
  } catch {
    return unknown
  }
  const [first = "", second, third, fourth, fifth] = segments
  if (segments.length <= 1) return isSingle(first) ? { _tag: single[first] } : unknown
  if (second === undefined || segments.length > 5) return unknown
  if (first === "traces" && segments.length === 2) return { _tag: "Trace", id: second }
  if (first !== "queues") return unknown
  if (third === undefined) return { _tag: "Queue", queue: second }
  if (third !== "dead-letters") return unknown
  if (fourth === undefined) return { _tag: "DeadLetters", queue: second }
  if (fifth === undefined) return { _tag: "DeadLetter", queue: second, id: fourth }
  return fifth === "edit" ? { _tag: "Edit", queue: second, id: fourth } : unknown
}

/** Returns the path of a page, below the prefix of the console. */
export const pathOf = (page: Page): string => {
  switch (page._tag) {
    case "Overview":
      return ""
    case "Queue":
      return `queues/${encodeURIComponent(page.queue)}`
    case "DeadLetters":
      return `queues/${encodeURIComponent(page.queue)}/dead-letters`
    case "DeadLetter":
      return `queues/${encodeURIComponent(page.queue)}/dead-letters/${encodeURIComponent(page.id)}`
    case "Edit":
      return `queues/${encodeURIComponent(page.queue)}/dead-letters/${encodeURIComponent(page.id)}/edit`
    case "Trace":
      return `traces/${encodeURIComponent(page.id)}`
    case "Unknown":
      return page.path
    default:
      return page._tag.toLowerCase()
  }
}

/** Returns the query of an address, with its `?`. */
export const searchOf = (query: Query): string => {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== "") search.set(name, value)
  const text = search.toString()
  return text === "" ? "" : `?${text}`
}
