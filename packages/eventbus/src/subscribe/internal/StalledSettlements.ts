/**
 * The settlements of a bus that the broker has refused so far.
 *
 * @internal
 */

export class StalledSettlements {
  private readonly stalled = new Map<object, { readonly queue: string; readonly why: string }>()

  /** Notes why a settlement cannot be done yet. */
  add(settlement: object, queue: string, why: string): void {
    this.stalled.set(settlement, { queue, why })
  }

  /** Forgets a settlement that is done, or that is no longer the bus's. */
  remove(settlement: object): void {
    this.stalled.delete(settlement)
  }

  get size(): number {
    return this.stalled.size
  }

  /** Returns the queues whose settlements wait, and why the latest one of each does. */
  get reasons(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.stalled.values(), ({ queue, why }) => [queue, why]))
  }
}
