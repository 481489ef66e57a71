/** Numbers, times and sizes as people read them. */

const integer = new Intl.NumberFormat("en")
const decimal = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })

/** Formats a count, such as `10,000`. */
export const count = (value: number): string => integer.format(value)

/** Formats a count with its noun, such as `1 event` or `2 events`. */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`

/** Formats a rate, such as `48.2/s`. */
export const rate = (value: number): string => `${decimal.format(value)}/s`

const units = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"]
] as const

/** Formats a span of time in its largest unit, such as `3 min`. */
export const span = (millis: number): string => {
  if (millis > 0 && millis < 1000) return `${Math.round(millis)} ms`
  const [size, name] = units.find(([size]) => millis >= size) ?? [1000, "s"]
  const value = millis / size
  return `${value < 10 && name !== "s" && !Number.isInteger(value) ? decimal.format(value) : Math.max(0, Math.floor(value))} ${name}`
}

/** Formats a delay, in seconds with a decimal where it has one. */
export const delay = (millis: number): string =>
  millis >= 1000 && millis < 60_000 ? `${decimal.format(millis / 1000)} s` : span(millis)

/** Within a minute, an age grows in steps of this: one that ticks catches the eye, and tells no more. */
const ageStep = 5000

/** Formats how long ago a moment was. */
export const ago = (then: number, now: number): string => {
  const passed = now - then
  if (passed < 1500) return "just now"
  return `${span(passed >= 2 * ageStep && passed < 60_000 ? passed - (passed % ageStep) : passed)} ago`
}

const clockTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" })

/** Formats the time of day. */
export const time = (millis: number): string => clockTime.format(millis)

/** Formats a day and a time. */
export const moment = (millis: number): string => full.format(millis)

/** Formats the size of a body. */
export const bytes = (value: number): string => {
  if (value < 1024) return `${value} B`
  if (value < 1024 * 1024) return `${decimal.format(value / 1024)} KiB`
  return `${decimal.format(value / 1024 / 1024)} MiB`
}

/** Cuts a text to a length. */
export const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 1)}…`
