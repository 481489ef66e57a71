import type { Tolerances } from "../experiments/InjectedFault.ts"
import type { Closed } from "../proxy/FrameProxy.ts"
import type { Shape } from "../workload/Workload.ts"
import type { Balance, Excuse } from "./EventLedger.ts"

/** What every fault may do. */
export const defaults: Tolerances = {
  failures: [],
  landed: [],
  closes: ["320 CONNECTION_FORCED"],
  disruptions: 1,
  left: 0,
  dead: [],
  recovery: 30_000
}

interface Evidence {
  readonly tolerances: Tolerances
  readonly closes: ReadonlyArray<Closed>
  readonly excuses: ReadonlyArray<Excuse>
  readonly leaks: ReadonlyArray<string>
  readonly shape: Shape
}

/** How much RabbitMQ moves at once from an expired wait queue, at least once. */
const expiring = 32

/** What can be in flight at once, and so be done twice when everything breaks. */
const inFlight = ({ concurrency, fanout, publishers, queues }: Shape): number => {
  const subscriptions = queues + (fanout ? 1 : 0)
  const tiers = 2
  // A publisher's event lands in its own queue and in that of all; a delivery is handled, retried or dead-lettered.
  return publishers * (fanout ? 2 : 1) + subscriptions * (2 * concurrency + tiers * expiring)
}

const some = (what: string, of: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  of.length === 0
    ? []
    : [
        `${of.length} ${what}: ${of
          .slice(0, 3)
          .map((each) => JSON.stringify(each))
          .join(", ")}`
      ]

/** Everything that does not hold in the end. */
export const judge = (
  balance: Balance,
  { tolerances, closes, excuses, leaks, shape }: Evidence
): ReadonlyArray<string> => {
  const most = inFlight(shape) * tolerances.disruptions
  const failures = Object.entries(balance.failed).filter(([reason]) => !tolerances.failures.includes(reason))
  const unexpected = closes
    .map(({ code, text }) => `${code} ${text}`)
    .filter((close) => !tolerances.closes.some((start) => close.startsWith(start)))
  const misjudged = balance.misjudged.filter((text) => !tolerances.dead.some((reason) => text.includes(reason)))
  const phantoms = balance.phantoms.filter((text) => !tolerances.landed.some((reason) => text.endsWith(reason)))
  const destroyable = excuses.reduce((sum, excuse) => sum + excuse.most, 0)
  return [
    ...some("events lost", balance.lost),
    ...some("publishes without an answer", balance.unanswered),
    ...some("events that nobody attempted", balance.strangers),
    ...some("events are there, though their publish says that they are not", phantoms),
    ...some("events ended as they should not", misjudged),
    ...some("kinds of failures that should not be", failures),
    ...some("channels or connections closed that should not be", unexpected),
    ...some("times the password was seen", leaks),
    ...(balance.duplicates > most ? [`${balance.duplicates} duplicates, where ${most} could be in flight`] : []),
    ...(balance.left > tolerances.left ? [`${balance.left} events left in queues, ${tolerances.left} tolerances`] : []),
    ...(balance.destroyed > destroyable
      ? [`${balance.destroyed} events destroyed, where at most ${destroyable} were there to be`]
      : [])
  ]
}
