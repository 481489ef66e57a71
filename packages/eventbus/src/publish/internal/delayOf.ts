/**
 * The delay of a publish.
 *
 * @internal
 */

import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { PublishOptions } from "../Publisher.ts"

/** RabbitMQ keeps times to live in 32 bits of milliseconds, which are a little more than 49 days. */
const longest = Duration.toMillis("49 days")

const checked = (millis: number, what: string): number => {
  if (millis >= 0 && millis <= longest) return millis
  throw new RangeError(
    `${what} must be from 0 to 49 days, not ${millis} ms: keep what is due later in a database of yours`
  )
}

/** Returns the time at which an event is due, in milliseconds since 1970. */
const dueAt = (deliverAt: DateTime.DateTime.Input): number => {
  const time = DateTime.make(deliverAt)
  if (Option.isSome(time)) return DateTime.toEpochMillis(time.value)
  throw new RangeError("deliverAt is not a valid date")
}

/**
 * Returns the delay that is left at a time, in milliseconds. Throws a `RangeError` for options that contradict each
 * other, and for a delay that no broker can keep. A time that has passed is no delay.
 */
export const delayOf = ({ delay, deliverAt, unroutable }: PublishOptions, now: number): number | undefined => {
  if (delay === undefined && deliverAt === undefined) return undefined
  if (delay !== undefined && deliverAt !== undefined) {
    throw new RangeError("A publish has a delay or a deliverAt, not both")
  }
  if (unroutable === "fail") {
    throw new RangeError(
      "A delayed event finds its queues when it is due, so its publish cannot fail because there are none: leave out unroutable"
    )
  }
  if (deliverAt !== undefined) {
    const left = checked(Math.max(0, dueAt(deliverAt) - now), "The time until deliverAt")
    return left === 0 ? undefined : Math.ceil(left)
  }
  // `Duration` takes NaN for zero.
  const millis = typeof delay === "number" ? delay : Duration.toMillis(Duration.fromInputUnsafe(delay ?? 0))
  return checked(millis, "A delay") === 0 ? undefined : Math.ceil(millis)
}
