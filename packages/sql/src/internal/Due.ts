/**
 * The time at which an event is due.
 *
 * @internal
 */

import type { PublishOptions } from "effect-eventbus/Publisher"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

/** A moment by the clock of the database, or a time from its now. */
export type Due = { readonly _tag: "At" | "After"; readonly millis: number }

export const after = (delay: Duration.Input): Due => {
  const millis = Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(delay)))
  // Longer ones do not fit into the columns, and no date has them.
  if (millis >= 0 && millis <= 8.64e15) return { _tag: "After", millis }
  throw new RangeError(`An event cannot be delayed by ${millis} ms`)
}

export const at = (time: DateTime.DateTime.Input): Due => {
  const moment = DateTime.make(time)
  if (moment._tag === "Some") return { _tag: "At", millis: DateTime.toEpochMillis(moment.value) }
  throw new RangeError("The time of a scheduled event is an invalid date")
}

/** Returns the time that the options of a publish ask for. */
export const of = ({ delay, deliverAt }: PublishOptions = {}): Due | undefined => {
  if (delay !== undefined && deliverAt !== undefined) throw new RangeError("Give a delay or deliverAt, not both")
  return delay !== undefined ? after(delay) : deliverAt !== undefined ? at(deliverAt) : undefined
}
