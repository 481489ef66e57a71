/**
 * A consumer of an in-memory queue and the messages it holds unacknowledged.
 *
 * @internal
 */

import type { QueuedMessage } from "./QueuedMessage.ts"

export class MemoryConsumer {
  private readonly prefetch: number
  private readonly offer: (message: QueuedMessage) => void
  /** In no order, so that any message can be released at once. */
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

  /** Releases a message, and returns whether it held it. */
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

  /** Releases everything, and returns it in the order in which it was taken. */
  releaseAll(): ReadonlyArray<QueuedMessage> {
    const { held } = this
    this.held = []
    for (const message of held) message.consumer = undefined
    return held.toSorted((a, b) => a.sequence - b.sequence)
  }
}
