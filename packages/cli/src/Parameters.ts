/**
 * Arguments and flags that several commands share.
 *
 * @since 0.1.0
 */

import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"

/**
 * Returns the message of a thrown error.
 *
 * @category parsing
 * @since 0.1.0
 */
export const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * The flag for JSON output.
 *
 * @category flags
 * @since 0.1.0
 */
export const json = (description: string): Flag.Flag<boolean> =>
  Flag.Boolean("json").pipe(Flag.withDescription(description), Flag.withDefault(false))

/**
 * The flag for the module that declares subscriptions and handlers.
 *
 * @category flags
 * @since 0.1.0
 */
export const module: Flag.Flag<string> = Flag.String("module").pipe(
  Flag.withDescription("A module that exports subscriptions or handlers"),
  Flag.withMetavar("FILE")
)

/**
 * A flag for a number of events or dead letters.
 *
 * @category flags
 * @since 0.1.0
 */
export const count = (description: string, name = "count"): Flag.Flag<number> =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar("N"),
    Flag.mapTryCatch((text) => {
      if (!/^[1-9]\d{0,6}$/.test(text)) throw new RangeError(`"${text}" is not a whole number from 1 to 9999999`)
      return Number(text)
    }, reason)
  )

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * Returns whether a text is a UUID.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isUuid = (text: string): boolean => uuid.test(text)

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * A flag for a duration.
 *
 * @category flags
 * @since 0.1.0
 */
export const duration = (name: string, description: string): Flag.Flag<Duration.Duration> =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar("TIME"),
    Flag.mapTryCatch((text) => {
      const [, count, unit = ""] = /^(\d{1,6})(ms|s|m|h|d)$/.exec(text) ?? []
      if (count === undefined) throw new RangeError(`"${text}" is not a duration such as 500ms, 30s, 5m, 1h or 7d`)
      return Duration.millis(Number(count) * (units[unit] ?? 1))
    }, reason)
  )

/**
 * A flag `--delay` of an event.
 *
 * @category flags
 * @since 0.1.0
 */
export const delay = (description: string): Flag.Flag<Duration.Duration> =>
  duration("delay", description).pipe(
    Flag.filter(
      (delay) => Duration.toDays(delay) <= 49,
      (delay) => `a delay is at most 49d, not ${Duration.toDays(delay)}d`
    )
  )

const parsePort = (text: string): number => {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new RangeError(`"${text}" is not a port from 0 to 65535`)
  return Number(text)
}

/**
 * A flag `--port`.
 *
 * @category flags
 * @since 0.1.0
 */
export const port = (description: string, byDefault: number) =>
  Flag.String("port").pipe(
    Flag.withDescription(description),
    Flag.withMetavar("N"),
    Flag.mapTryCatch(parsePort, reason),
    Flag.withDefault(byDefault)
  )
