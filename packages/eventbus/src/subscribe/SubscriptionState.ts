/**
 * Whether a running subscription takes events.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/**
 * The state of a subscription that takes events.
 *
 * @category models
 * @since 0.1.0
 */
export interface Running {
  readonly _tag: "Running"
}

/**
 * The state of a subscription that takes no events.
 *
 * @category models
 * @since 0.1.0
 */
export interface Paused {
  readonly _tag: "Paused"
  /** The reason in a few words, such as the name of an error or of an operator. */
  readonly by: string
  /** The time since when it takes no events, or only probes, in milliseconds since 1970. */
  readonly since: number
  /** The time when it goes on, in milliseconds since 1970. `undefined`: when it is resumed. */
  readonly until: number | undefined
}

/**
 * The state of a subscription that takes one event at a time after a pause, until one is
 * acknowledged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Probing {
  readonly _tag: "Probing"
  /** The reason of the pause. */
  readonly by: string
  /** The time since when it takes no events, or only probes, in milliseconds since 1970. */
  readonly since: number
}

/**
 * The state of a subscription.
 *
 * @category models
 * @since 0.1.0
 */
export type SubscriptionState = Running | Paused | Probing

/**
 * The state of a subscription that takes events.
 *
 * @category constructors
 * @since 0.1.0
 */
export const running: SubscriptionState = { _tag: "Running" }

/**
 * Options of a pause by hand.
 *
 * @category models
 * @since 0.1.0
 */
export interface PauseOptions {
  /** The time after which the subscription goes on by itself. Default: it waits until it is resumed. */
  readonly for?: Duration.Input | undefined
  /** The reason in a few words, or the name of an operator. Default: `hand`. */
  readonly by?: string | undefined
}

/**
 * Returns the time that a pause lasts, which is infinite by default. Throws a
 * `RangeError` when it is not more than 0.
 *
 * @category getters
 * @since 0.1.0
 */
export const pauseTime = (options: PauseOptions): Duration.Duration => {
  const time = Duration.fromInput(options.for ?? Duration.infinity)
  if (Option.isNone(time) || !(Duration.toMillis(time.value) > 0)) {
    throw new RangeError(`A pause lasts more than 0 milliseconds, not ${String(options.for)}`)
  }
  return time.value
}

/**
 * Describes a state in a few words.
 *
 * @category getters
 * @since 0.1.0
 */
export const describe = (self: SubscriptionState): string => {
  switch (self._tag) {
    case "Running":
      return "running"
    case "Probing":
      return `probing after a pause by ${self.by}`
    case "Paused":
      return `paused by ${self.by}${self.until === undefined ? "" : ` until ${new Date(self.until).toISOString()}`}`
  }
}
