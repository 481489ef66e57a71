/**
 * Who takes items from a queue in memory, and what it holds of them.
 *
 * @internal
 */

import type { Envelope } from "../../broker/Envelope.ts"

/** An envelope in a queue. A class, because V8 makes objects of a literal old that wait for a while, and all they hold. */
export class Item {
  readonly envelope: Envelope
  readonly expiresAt: number
  redelivered = false
  /** Who holds it, where among all that it holds, and since which turn. */
  consumer: MemoryConsumer | undefined = undefined
  place = 0
  turn = 0

  constructor(envelope: Envelope, expiresAt: number) {
    this.envelope = envelope
    this.expiresAt = expiresAt
  }
}

export class MemoryConsumer {
  private readonly prefetch: number
  private readonly offer: (item: Item) => void
  /** In no order, so that any item can be let go of at once. */
  private held: Array<Item> = []
  private turn = 0

  constructor(prefetch: number, offer: (item: Item) => void) {
    this.prefetch = prefetch
    this.offer = offer
  }

  get hasRoom(): boolean {
    return this.held.length < this.prefetch
  }

  take(item: Item): void {
    item.consumer = this
    item.place = this.held.length
    item.turn = this.turn++
    this.held.push(item)
    this.offer(item)
  }

  holds(item: Item): boolean {
    return item.consumer === this
  }

  /** Lets go of an item, if it holds it. */
  release(item: Item): boolean {
    if (item.consumer !== this) return false
    item.consumer = undefined
    const last = this.held.pop()
    if (last !== undefined && last !== item) {
      last.place = item.place
      this.held[item.place] = last
    }
    return true
  }

  /** Lets go of everything, which is returned in the order in which it was taken. */
  releaseAll(): ReadonlyArray<Item> {
    const { held } = this
    this.held = []
    for (const item of held) item.consumer = undefined
    return held.toSorted((a, b) => a.turn - b.turn)
  }
}
