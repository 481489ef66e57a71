/**
 * The checks and bounds that all steps share which hold events up.
 *
 * @internal
 */

import type * as Handler from "effect-eventbus/Handler"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/**
 * The longest time that an event waits in front of its handler, in milliseconds. RabbitMQ
 * closes the channel of a consumer that keeps one for half an hour.
 */
export const longestWait = 30_000

/** Throws a `RangeError` for a handler whose events cannot go back to their queue. */
export const checkCanGiveBack = ({ subscription }: Handler.Any, step: string): void => {
  if (!subscription.atMostOnce) return
  throw new RangeError(
    `"${subscription.name}" is at-most-once, so ${step} cannot hold its events up: they have left their queue`
  )
}

/** Returns a finite duration above 0, or throws a `RangeError`. */
export const positive = (what: string, input: Duration.Input): Duration.Duration => {
  const duration = Duration.fromInput(input)
  const isFine = Option.exists(duration, (d) => Duration.isFinite(d) && Duration.toMillis(d) > 0)
  if (Option.isNone(duration) || !isFine) {
    throw new RangeError(`${what} must be a finite time above 0, not ${String(input)}`)
  }
  return duration.value
}

/** Returns a whole number of at least `least`, or throws a `RangeError`. */
export const whole = (what: string, value: number, least: number): number => {
  if (Number.isInteger(value) && value >= least) return value
  throw new RangeError(`${what} must be a whole number of at least ${least}, not ${value}`)
}
