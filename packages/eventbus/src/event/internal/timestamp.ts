/**
 * Times, as values and as the text that they are on the wire.
 *
 * Events come in bursts, so the last answer is kept: most of those that are made or
 * read in one millisecond have the same time, and dates cost more than all the other
 * fields of an event together.
 *
 * @internal
 */

import * as DateTime from "effect/DateTime"
import * as IsoTime from "../../broker/IsoTime.ts"

let lastMillis = Number.NaN
let lastUtc: DateTime.Utc = DateTime.makeUnsafe(0)

/** The time of so many milliseconds since 1970. */
export const fromMillis = (millis: number): DateTime.Utc => {
  if (millis !== lastMillis) {
    lastUtc = DateTime.makeUnsafe(millis)
    lastMillis = millis
  }
  return lastUtc
}

let formattedMillis = Number.NaN
let formatted = ""

/** As Python's `datetime.isoformat` writes UTC: older versions of it do not read a `Z`. */
export const format = (time: DateTime.Utc): string => {
  const millis = DateTime.toEpochMillis(time)
  if (millis !== formattedMillis) {
    formatted = `${DateTime.toDateUtc(time).toISOString().slice(0, -1)}+00:00`
    formattedMillis = millis
  }
  return formatted
}

let parsedText = ""
let parsed: DateTime.Utc | undefined

/** Reads a time. One without an offset is UTC. */
export const parse = (text: string): DateTime.Utc | undefined => {
  if (text !== parsedText) {
    const millis = IsoTime.parse(text)
    parsed = millis === undefined ? undefined : DateTime.makeUnsafe(millis)
    parsedText = text
  }
  return parsed
}
