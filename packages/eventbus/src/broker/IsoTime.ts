/**
 * Times in ISO 8601 and RFC 3339, as other systems write them.
 *
 * The grammar is our own, because each engine chooses what `Date.parse` reads, and V8
 * takes February 30 for March 2.
 *
 * A time is a date, one of `T`, `t` and a blank, the hour and the minute at least, and an
 * offset. Without an offset it is in UTC. Date and time are both in the extended form
 * (`2026-01-15`, `09:30`) or both in the basic form (`20260115`, `0930`). The fraction of
 * a second follows a point or a comma, and may have any number of digits.
 *
 * @since 0.1.0
 */

/**
 * The forms that `parse` reads, for error messages.
 *
 * @category constants
 * @since 0.1.0
 */
export const forms =
  "YYYY-MM-DDThh:mm, with or without :ss and a fraction, and Z, +hh, +hh:mm, +hhmm or no offset, which is UTC"

const minute = 60_000
const day = 1440 * minute

/** Returns the number that so many digits make, or `NaN` if one of the characters is not a digit. */
const digits = (text: string, start: number, count: number): number => {
  let value = 0
  for (let i = start; i < start + count; i++) {
    const digit = text.charCodeAt(i) - 48
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

const isBetween = (value: number, least: number, most: number): boolean => value >= least && value <= most

const isSign = (char: string | undefined): boolean => char === "+" || char === "-"

const daysIn = (year: number, month: number): number => {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Returns the milliseconds from 1970 to the start of a day. */
const startOf = (year: number, month: number, date: number): number =>
  // `Date.UTC` takes the years 0 to 99 for those from 1900 on. The calendar repeats itself after 400 years.
  isBetween(year, 0, 99) ? Date.UTC(year + 400, month - 1, date) - 146_097 * day : Date.UTC(year, month - 1, date)

/** Returns the offset at the end of the text in milliseconds east of UTC, or `NaN` if it is not one. */
const offsetFrom = (text: string, start: number): number => {
  const length = text.length - start
  if (length === 0 || (length === 1 && (text[start] === "Z" || text[start] === "z"))) return 0
  const gap = text[start + 3] === ":" ? 1 : 0
  const hours = digits(text, start + 1, 2)
  const minutes = length === 3 ? 0 : digits(text, start + 3 + gap, 2)
  const isOffset = isSign(text[start]) && (length === 3 || length === 5 + gap)
  if (!isOffset || !isBetween(hours, 0, 23) || !isBetween(minutes, 0, 59)) return Number.NaN
  return (hours * 60 + minutes) * (text[start] === "-" ? -minute : minute)
}

/**
 * Returns a time in milliseconds since 1970, or `undefined` if the text is not a time:
 * February 30, say. A leap second counts as the first second of the next minute, as in
 * POSIX.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (text: string): number | undefined => {
  // JavaScript writes the years beyond 9999 in six digits, with a sign.
  const yearEnd = isSign(text[0]) ? 7 : 4
  const year = yearEnd === 4 ? digits(text, 0, 4) : digits(text, 1, 6) * (text[0] === "-" ? -1 : 1)
  /** The number of characters between two numbers. The basic form has none. */
  const gap = text[yearEnd] === "-" ? 1 : 0
  const month = digits(text, yearEnd + gap, 2)
  const dateStart = yearEnd + 2 + 2 * gap
  const date = digits(text, dateStart, 2)
  const between = text[dateStart + 2]
  const hour = digits(text, dateStart + 3, 2)
  const minuteStart = dateStart + 5 + gap
  const minutes = digits(text, minuteStart, 2)
  if (between !== "T" && between !== "t" && between !== " ") return undefined
  if (gap === 1 && (text[dateStart - 1] !== "-" || text[minuteStart - 1] !== ":")) return undefined
  if (!isBetween(month, 1, 12) || !isBetween(date, 1, daysIn(year, month))) return undefined
  if (!isBetween(hour, 0, 24) || !isBetween(minutes, 0, 59)) return undefined

  let at = minuteStart + 2
  let millis = 0
  if (gap === 1 ? text[at] === ":" : isBetween(digits(text, at, 1), 0, 9)) {
    millis = digits(text, at + gap, 2) * 1000
    at += gap + 2
    if (text[at] === "." || text[at] === ",") {
      const start = ++at
      while (isBetween(digits(text, at, 1), 0, 9)) at++
      // Digits after the third are cut off.
      millis += digits(`${text.slice(start, Math.min(at, start + 3))}00`, 0, 3)
      if (at === start) return undefined
    }
  }
  const utc = startOf(year, month, date) + (hour * 60 + minutes) * minute - offsetFrom(text, at)
  // A day ends at 24:00. UTC has its leap seconds at the end of a day.
  const isOfTheDay = hour < 24 || (minutes === 0 && millis === 0)
  const isLeap = millis < 61_000 && utc % day === day - minute
  return isOfTheDay && (millis < minute || isLeap) && isBetween(utc + millis, -8.64e15, 8.64e15)
    ? utc + millis
    : undefined
}

/**
 * Formats a time in UTC, with milliseconds.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (millis: number): string => new Date(millis).toISOString()
