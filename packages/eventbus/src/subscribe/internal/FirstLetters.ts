/**
 * The first dead letters of a key by their places, as many as are held in memory at once.
 *
 * @internal
 */

import type { Browsed } from "../../broker/Broker.ts"

/** The largest number of dead letters that are held. */
const maxLetters = 1000

/** The largest sum of their bodies, in bytes. One is held, however large it is. */
const maxBytes = 16 * 1024 * 1024

const placeOf = ({ envelope: { place = 0 } }: Browsed): number => place

export class FirstLetters {
  private readonly held: Array<Browsed> = []
  private bytes = 0
  private after = 0
  private isCut = false

  /** Adds a dead letter. The last of those that are held make way for it. */
  add(letter: Browsed): void {
    const place = placeOf(letter)
    this.after = Math.max(this.after, place + 1)
    let index = this.held.length
    // Most of them come in their order.
    while (index > 0 && placeOf(this.held[index - 1] ?? letter) > place) index--
    this.held.splice(index, 0, letter)
    this.bytes += letter.envelope.body.length
    while (this.held.length > 1 && (this.held.length > maxLetters || this.bytes > maxBytes)) {
      this.bytes -= this.held.pop()?.envelope.body.length ?? 0
      this.isCut = true
    }
  }

  /** The dead letters that are held, in the order of their places. */
  get letters(): ReadonlyArray<Browsed> {
    return this.held
  }

  /** The place after all of those that were added. */
  get next(): number {
    return this.after
  }

  /** Whether there are more of them than are held. */
  get hasMore(): boolean {
    return this.isCut
  }
}
