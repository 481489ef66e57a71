/**
 * The turn of the event loop in which handlers are started. While it lasts, nothing
 * else can happen in this process: no heartbeat is sent, and no acknowledgement.
 *
 * @internal
 */

import { MixedScheduler } from "effect/Scheduler"

/** The time after which a turn must end, in milliseconds. */
const longest = 100

const dispatcher = new MixedScheduler().makeDispatcher()
let since: number | undefined

/** Returns whether this turn has lasted for too long. It starts with the first call. */
export const isLate = (): boolean => {
  const now = performance.now()
  if (since !== undefined) return now - since >= longest
  since = now
  inNextTurn(() => {
    since = undefined
  })
  return false
}

/** Calls a function in the next turn. */
export const inNextTurn = (f: () => void): void => dispatcher.scheduleTask(f, 0)
