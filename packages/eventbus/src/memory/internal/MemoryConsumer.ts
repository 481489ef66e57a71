/**
 * A consumer of an in-memory queue and the messages it holds unacknowledged.
 *
 * @internal
 */

import type { QueuedMessage } from "./QueuedMessage.ts"

export class MemoryConsumer {
  private readonly prefetch: number
  private readonly offer: (message: QueuedMessage) => void
  /** The held messages, in no order, so that releasing one takes constant time. */
  private held: Array<QueuedMessage> = []
  private sequence = 0

  constructor(prefetch: number, offer: (message: QueuedMessage) => void) {
    this.prefetch = prefetch
    this.offer = offer
  }

  get hasRoom(): boolean {
    return this.held.length < this.prefetch
  }

  take(message: QueuedMessage): void {
    message.consumer = this
    message.index = this.held.length
    message.sequence = this.sequence++
    this.held.push(message)
    this.offer(message)
  }

  holds(message: QueuedMessage): boolean {
    return message.consumer === this
  }

  /** Releases a message, and returns whether the consumer held it. */
  release(message: QueuedMessage): boolean {
    if (message.consumer !== this) return false
    message.consumer = undefined
    const last = this.held.pop()
    if (last !== undefined && last !== message) {
      last.index = message.index
      this.held[message.index] = last
    }
    return true
  }

  /** Releases all messages, and returns them in the order in which they were taken. */
  releaseAll(): ReadonlyArray<QueuedMessage> {
    const { held } = this
    this.held = []
    for (const message of held) message.consumer = undefined
    return held.toSorted((a, b) => a.sequence - b.sequence)
  }
}
