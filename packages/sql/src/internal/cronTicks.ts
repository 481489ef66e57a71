/**
 * The ticks of a schedule that are due.
 *
 * @internal
 */

import * as Cron from "effect/Cron"

/** The ticks that are published at once. The rest follows. */
const atMost = 100

/** A tick that is older than this was missed: no instance was there to publish it. */
export const graceMillis = 10_000

/**
 * Returns the ticks after `last` and up to `now`, in milliseconds since 1970, which are to be published, and the tick up
 * to which all is decided. The next tick comes of the schedule, never of the last run.
 */
export const due = (
  cron: Cron.Cron,
  last: number,
  now: number,
  missed: "latest" | "all" | "none"
): { readonly ticks: ReadonlyArray<number>; readonly upTo: number } => {
  if (missed === "all") {
    const ticks: Array<number> = []
    for (let tick = after(cron, last); tick <= now && ticks.length < atMost; tick = after(cron, tick)) ticks.push(tick)
    return { ticks, upTo: ticks.at(-1) ?? last }
  }
  const latest = upTo(cron, now)
  if (latest <= last) return { ticks: [], upTo: last }
  const isMissed = now - latest > graceMillis
  return { ticks: missed === "none" && isMissed ? [] : [latest], upTo: latest }
}

/** Returns the first tick after a moment. */
export const after = (cron: Cron.Cron, moment: number): number => Cron.next(cron, new Date(moment)).getTime()

/** Returns the last tick up to a moment: `prev` leaves out the moment that it is given. */
const upTo = (cron: Cron.Cron, moment: number): number => Cron.prev(cron, new Date(moment + 1)).getTime()
