/**
 * A record of the messages that the broker has taken and refused.
 *
 * A refused publish closes the channel, and messages sent before it are sent again. So
 * a message that may be refused is sent alone: the first one of each routing key, and
 * each one that is much larger than all before.
 *
 * @since 0.1.0
 */

import type { Message } from "./AmqpMessage.ts"

/** The number of routing keys after which a user is trusted with all, until one is refused. */
const enough = 128
/** The number of refused routing keys that are remembered. */
const maxRefused = 1024

/**
 * Returns the class of a size. Sizes of one class differ by less than a factor of two.
 * Most limits are powers of two, where a class ends.
 */
const sizeClass = (bytes: number): number => 32 - Math.clz32(Math.max(0, bytes - 1))

/**
 * A record of what the broker has taken, and of what it has refused.
 *
 * @category models
 * @since 0.1.0
 */
export class TrackRecord {
  /** The routing keys that were taken, by exchange. */
  private readonly taken = new Map<string, Set<string>>()
  private count = 0
  private readonly refusals = new Set<string>()
  private largest = 0

  /** Returns whether a message is like one that was taken. */
  knows(message: Message): boolean {
    if (sizeClass(message.content.length) > this.largest) return false
    if (this.hasTaken(message)) return true
    return this.count >= enough && !this.hasRefused(message)
  }

  /** Returns whether a message like this was refused the last time. */
  hasRefused(message: Message): boolean {
    return this.refusals.size > 0 && this.refusals.has(nameOf(message))
  }

  /** Records that a message was not refused. */
  took(message: Message): void {
    const { content, exchange, routingKey } = message
    this.largest = Math.max(this.largest, sizeClass(content.length))
    if (this.refusals.size > 0) this.refusals.delete(nameOf(message))
    if (this.count >= enough || this.hasTaken(message)) return
    const keys = this.taken.get(exchange)
    if (keys === undefined) this.taken.set(exchange, new Set([routingKey]))
    else keys.add(routingKey)
    this.count += 1
  }

  /** Records a refusal, and returns whether it is the first of its kind. */
  refused(message: Message): boolean {
    const name = nameOf(message)
    const isNews = !this.refusals.has(name)
    if (this.taken.get(message.exchange)?.delete(message.routingKey)) this.count -= 1
    // It was trusted, and should not have been.
    else if (this.count >= enough && isNews) this.forget()
    this.refusals.add(name)
    for (const oldest of this.refusals) {
      if (this.refusals.size <= maxRefused) break
      this.refusals.delete(oldest)
    }
    return isNews
  }

  private hasTaken({ exchange, routingKey }: Message): boolean {
    return this.taken.get(exchange)?.has(routingKey) === true
  }

  private forget(): void {
    this.taken.clear()
    this.count = 0
  }
}

/** Returns a key for the exchange and routing key. Names of exchanges contain no "/". */
const nameOf = ({ exchange, routingKey }: Message): string => `${exchange}/${routingKey}`
