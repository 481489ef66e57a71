/**
 * The settlements that a broker has refused so far.
 *
 * @internal
 */

import type { Reason } from "../../broker/PublishError.ts"

export class StalledSettlements {
  private static readonly known = new WeakMap<object, StalledSettlements>()

  /** Returns those of a broker, which all buses on it have in common. */
  static of(broker: object): StalledSettlements {
    const known = StalledSettlements.known.get(broker)
    if (known !== undefined) return known
    const stalled = new StalledSettlements()
    StalledSettlements.known.set(broker, stalled)
    return stalled
  }

  private readonly stalled = new Map<object, { readonly queue: string; readonly why: string }>()
  private readonly outages = new Map<string, { count: number; readonly tags: Set<string> }>()

  /** Adds a settlement, and returns whether the reason is a new one since the first of its queue was stalled. */
  add(settlement: object, queue: string, { _tag, message }: Reason): boolean {
    const outage = this.outages.get(queue) ?? { count: 0, tags: new Set() }
    this.outages.set(queue, outage)
    if (!this.stalled.has(settlement)) outage.count += 1
    this.stalled.set(settlement, { queue, why: message })
    const isNews = !outage.tags.has(_tag)
    outage.tags.add(_tag)
    return isNews
  }

  /** Removes a settlement that is done, or whose delivery went back to the broker. */
  remove(settlement: object): void {
    const queue = this.stalled.get(settlement)?.queue ?? ""
    const outage = this.outages.get(queue)
    if (!this.stalled.delete(settlement) || outage === undefined) return
    outage.count -= 1
    if (outage.count === 0) this.outages.delete(queue)
  }

  get size(): number {
    return this.stalled.size
  }

  /** Returns the queues with stalled settlements, each with the latest reason. */
  get reasons(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.stalled.values(), ({ queue, why }) => [queue, why]))
  }
}
