/**
 * The settlements that a broker has refused so far.
 *
 * @internal
 */

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

  /** Adds a settlement, and the reason why it is stalled. */
  add(settlement: object, queue: string, why: string): void {
    this.stalled.set(settlement, { queue, why })
  }

  /** Removes a settlement that is done, or whose delivery went back to the broker. */
  remove(settlement: object): void {
    this.stalled.delete(settlement)
  }

  get size(): number {
    return this.stalled.size
  }

  /** Returns the queues with stalled settlements, each with the latest reason. */
  get reasons(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.stalled.values(), ({ queue, why }) => [queue, why]))
  }
}
