/**
 * The attributes of CloudEvents as headers, by the names of the binding to AMQP 1.0. There is no binding to AMQP 0.9.1.
 *
 * @internal
 */

/** The prefixes that are read. The first is written, because the other is none that every client can send. */
const prefixes = ["cloudEvents_", "cloudEvents:"] as const

const name = /^[a-z0-9]{1,64}$/

/** Writes attributes as headers. */
export const write = (attributes: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(attributes).map(([key, value]) => [`${prefixes[0]}${key}`, value]))

/** Returns a value in its canonical form. AMQP has timestamps in seconds, as `{ "!": "timestamp", value }`. */
const canonical = (value: unknown): string | undefined => {
  if (typeof value === "string") return value
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value)
  const seconds = typeof value === "object" && value !== null && "value" in value ? value.value : undefined
  return typeof seconds === "number" && Math.abs(seconds) < 8.64e12 ? new Date(seconds * 1000).toISOString() : undefined
}

/** Reads attributes from headers. `undefined`: the message is no CloudEvent. */
export const read = (headers: unknown): Readonly<Record<string, string>> | undefined => {
  if (typeof headers !== "object" || headers === null) return undefined
  const prefix = prefixes.find((each) => Object.hasOwn(headers, `${each}specversion`))
  if (prefix === undefined) return undefined
  const found = Object.entries(headers).flatMap(([key, value]) => {
    const attribute = key.startsWith(prefix) ? key.slice(prefix.length) : ""
    const text = name.test(attribute) ? canonical(value) : undefined
    return text === undefined ? [] : [[attribute, text] as const]
  })
  return Object.fromEntries(found)
}
