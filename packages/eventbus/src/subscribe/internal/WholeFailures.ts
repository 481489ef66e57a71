/**
 * Remembers the events whose batch failed as a whole.
 *
 * An event that is given back keeps its attempt, so its attempt does not tell that it was
 * in a batch that failed.
 *
 * @internal
 */

/** The number of failures after which an event may be the one to blame. */
const most = 2

export class WholeFailures {
  private readonly capacity: number
  /** The number of failures by event ID. The oldest entry comes first. */
  private readonly counts = new Map<string, number>()

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** Counts a failure of the batches of these events. */
  add(eventIds: ReadonlyArray<string>): void {
    for (const id of eventIds) {
      const count = this.counts.get(id) ?? 0
      this.counts.delete(id)
      this.counts.set(id, count + 1)
    }
    for (const [oldest] of this.counts) {
      if (this.counts.size <= this.capacity) return
      this.counts.delete(oldest)
    }
  }

  /** Returns whether an event has been in too many batches that failed. */
  suspects(eventId: string): boolean {
    return (this.counts.get(eventId) ?? 0) >= most
  }

  /** Forgets an event that is done. */
  forget(eventId: string): void {
    this.counts.delete(eventId)
  }
}
