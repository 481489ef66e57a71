import type { Closed } from "../proxy/FrameProxy.ts"
import type { Balance, Excuse } from "./EventLedger.ts"
import type { Tolerances } from "./Tolerances.ts"

/** Everything besides the balance that tells whether a run was correct. */
interface Evidence {
  readonly tolerances: Tolerances
  /** The reasons for which the broker closed channels and connections. */
  readonly closes: ReadonlyArray<Closed>
  readonly excuses: ReadonlyArray<Excuse>
  /** The texts in which the password was found. */
  readonly leaks: ReadonlyArray<string>
  /** How many events can be in flight at once. */
  readonly inFlight: number
}

const breachesOf = (what: string, found: ReadonlyArray<unknown>): ReadonlyArray<string> => {
  const examples = found.slice(0, 3).map((each) => JSON.stringify(each))
  return found.length === 0 ? [] : [`${found.length} ${what}: ${examples.join(", ")}`]
}

/** Returns everything that was wrong with a run, in words. */
export const findBreaches = (
  balance: Balance,
  { closes, excuses, inFlight, leaks, tolerances }: Evidence
): ReadonlyArray<string> => {
  const mostDuplicates = inFlight * tolerances.disruptions
  const failures = Object.entries(balance.failed).filter(([reason]) => !tolerances.failures.includes(reason))
  const unexpectedCloses = closes
    .map(({ code, text }) => `${code} ${text}`)
    .filter((close) => !tolerances.closes.some((start) => close.startsWith(start)))
  const misjudged = balance.misjudged.filter((text) => !tolerances.dead.some((reason) => text.includes(reason)))
  const phantoms = balance.phantoms.filter((text) => !tolerances.landed.some((reason) => text.endsWith(reason)))
  const destroyable = excuses.reduce((sum, excuse) => sum + excuse.most, 0)
  return [
    ...breachesOf("events lost", balance.lost),
    ...breachesOf("publishes without an answer", balance.unanswered),
    ...breachesOf("events that were never published", balance.strangers),
    ...breachesOf("events in a queue although their publish failed", phantoms),
    ...breachesOf("events with the wrong end", misjudged),
    ...breachesOf("unexpected reasons of failed publishes", failures),
    ...breachesOf("channels or connections closed unexpectedly", unexpectedCloses),
    ...breachesOf("texts with the password", leaks),
    ...(balance.duplicates > mostDuplicates
      ? [`${balance.duplicates} duplicates, but at most ${mostDuplicates} events were in flight`]
      : []),
    ...(balance.left > tolerances.left ? [`${balance.left} events left in queues, ${tolerances.left} tolerated`] : []),
    ...(balance.destroyed > destroyable
      ? [`${balance.destroyed} events destroyed, but the fault destroyed at most ${destroyable}`]
      : [])
  ]
}
