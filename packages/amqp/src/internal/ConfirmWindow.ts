/**
 * The publishes that are waiting to be sent or confirmed, as plain state.
 *
 * Unconfirmed publishes are bounded by number and by bytes. The others wait in order.
 * A publish that may be refused is in flight alone, because its refusal would discard
 * the confirms of others. Publishes that were in flight when their channel died go
 * back to the front. The broker may have them, so they may arrive twice.
 *
 * @since 0.1.0
 */

import type { Reason } from "effect-eventbus/PublishError"
import type { Message } from "./AmqpMessage.ts"

/**
 * A publish. It is a class for the same reason as `Message`.
 *
 * @category models
 * @since 0.1.0
 */
export class Outgoing {
  readonly message: Message
  /** The deadline, in milliseconds of the monotonic clock. */
  readonly deadline: number
  /** Resumes the publisher. The second call does nothing. */
  readonly settle: (reason: Reason | undefined) => void
  /** Whether its publisher no longer waits. */
  isDone = false
  /** Whether a channel died while it was in flight, so that the broker may have it. */
  mayHaveLanded = false
  /** Whether the broker has returned it because no queue wanted it. */
  wasReturned = false
  /**
   * The number of times that a channel or connection was closed over a publish in flight
   * that may have been this one.
   */
  strikes = 0
  isInFlight = false
  /** Whether it has been in flight for so long that publishes that must be alone no longer wait for it. */
  isLate = false
  /** Its neighbours in flight. */
  older: Outgoing | undefined = undefined
  newer: Outgoing | undefined = undefined

  constructor(message: Message, deadline: number, settle: (reason: Reason | undefined) => void) {
    this.message = message
    this.deadline = deadline
    this.settle = settle
  }

  /** The room that it takes up in flight, in bytes. */
  get size(): number {
    return this.message.content.length + overhead
  }
}

/** The bytes that a message takes up besides its body. */
const overhead = 512
/** The number of windows that may wait to be sent: more than most networks can send within a publish timeout. */
const maxWindowsWaiting = 16
/** The number of bytes that may always wait. */
const leastWaiting = 64 * 1024 * 1024

/**
 * The publishes that are waiting to be sent or confirmed.
 *
 * @category models
 * @since 0.1.0
 */
export class ConfirmWindow {
  /**
   * The publishes that wait, from `first` on. Removing the nodes of a list one by one
   * would cost more than everything else here.
   */
  private waiting: Array<Outgoing> = []
  private first = 0
  private waitingBytes = 0
  /** The publishes in flight, a linked list in their order. Each leaves it in constant time. */
  private oldest: Outgoing | undefined
  private newest: Outgoing | undefined
  private count = 0
  private bytes = 0
  private late = 0
  /** The publish that is in flight and must be alone. */
  private loner: Outgoing | undefined
  /** The publish for which others wait, so that it or the one before it is in flight alone. */
  held: Outgoing | undefined
  private readonly maxCount: number
  private readonly maxBytes: number
  private readonly mustBeAlone: (outgoing: Outgoing) => boolean
  /** Whether a publish that must be alone may go, once nothing else is in flight. */
  private readonly mayGoAlone: (outgoing: Outgoing) => boolean

  constructor(
    maxCount: number,
    maxBytes: number,
    mustBeAlone: (outgoing: Outgoing) => boolean,
    mayGoAlone: (outgoing: Outgoing) => boolean = () => true
  ) {
    this.maxCount = maxCount
    this.maxBytes = maxBytes
    this.mustBeAlone = mustBeAlone
    this.mayGoAlone = mayGoAlone
  }

  get unconfirmed(): number {
    return this.count
  }

  /** How many publishes are in flight for which those wait that would be alone. */
  get expected(): number {
    return this.count - this.late
  }

  get isIdle(): boolean {
    return this.count === 0 && this.head === undefined
  }

  /** Whether no more publishes may wait. */
  get isFull(): boolean {
    return this.waitingBytes >= Math.max(leastWaiting, this.maxBytes * maxWindowsWaiting)
  }

  add(outgoing: Outgoing): void {
    this.waiting.push(outgoing)
    this.waitingBytes += outgoing.size
  }

  /** Moves the next publish into flight, if there is one and it has room. */
  next(): Outgoing | undefined {
    this.held = undefined
    for (;;) {
      const { head } = this
      if (head === undefined) return undefined
      if (head.isDone) {
        this.drop()
        continue
      }
      if (this.loner !== undefined) {
        this.held = this.loner
        return undefined
      }
      const isAlone = this.mustBeAlone(head)
      if (isAlone && (this.expected > 0 || !this.mayGoAlone(head))) {
        this.held = head
        return undefined
      }
      if (!this.hasRoom(head)) return undefined
      this.drop()
      this.depart(head)
      if (isAlone) this.loner = head
      return head
    }
  }

  /** Whether a publish is in flight for which the next one waits. */
  isAlone(outgoing: Outgoing): boolean {
    return outgoing === this.loner
  }

  /** Stops waiting for the publishes in flight. The queue of one may never answer. */
  waitNoLonger(): void {
    for (const outgoing of this.inFlight()) {
      if (!outgoing.isLate) this.late += 1
      outgoing.isLate = true
    }
    this.loner = undefined
  }

  /**
   * Returns the publish in flight that a returned message belongs to. The broker returns
   * messages in the order in which they were published.
   */
  returned(messageId: unknown, exchange: string, routingKey: string): Outgoing | undefined {
    let likely: Outgoing | undefined
    for (const outgoing of this.inFlight()) {
      const { message, wasReturned } = outgoing
      if (message.properties.messageId !== messageId || wasReturned) continue
      if (message.exchange === exchange && message.routingKey === routingKey) return outgoing
      likely ??= outgoing
    }
    return likely
  }

  /** Removes a publish from those in flight. */
  landed(outgoing: Outgoing): void {
    if (!outgoing.isInFlight) return
    const { newer, older } = outgoing
    if (older === undefined) this.oldest = newer
    else older.newer = newer
    if (newer === undefined) this.newest = older
    else newer.older = older
    outgoing.isInFlight = false
    outgoing.older = undefined
    outgoing.newer = undefined
    this.count -= 1
    this.bytes -= outgoing.size
    if (outgoing.isLate) this.late -= 1
    outgoing.isLate = false
    if (outgoing === this.loner) this.loner = undefined
  }

  /** Puts the publishes in flight back to the front, after it has passed them to a function that decides on them. */
  reclaim(f: (lost: ReadonlyArray<Outgoing>) => void): void {
    const lost = [...this.inFlight()]
    for (const outgoing of lost) this.landed(outgoing)
    f(lost)
    this.putBack(lost.filter((outgoing) => !outgoing.isDone))
  }

  /** Puts publishes that are no longer in flight back to the front. */
  putBack(lost: ReadonlyArray<Outgoing>): void {
    this.waiting = [...lost, ...this.waiting.slice(this.first)]
    this.first = 0
    for (const { size } of lost) this.waitingBytes += size
  }

  /** Returns the publishes that wait now, from the first one on. */
  get waits(): ReadonlyArray<Outgoing> {
    return this.waiting.slice(this.first).filter((outgoing) => !outgoing.isDone)
  }

  /** The deadline of the publish that has been in flight longest. */
  get deadline(): number {
    return this.oldest?.deadline ?? Infinity
  }

  /**
   * Passes on the publishes that have passed their deadline. All wait equally long, so
   * the first ones are the oldest.
   */
  expire(now: number, f: (outgoing: Outgoing, isInFlight: boolean) => void): void {
    for (const outgoing of this.inFlight()) {
      if (outgoing.deadline > now) break
      f(outgoing, true)
    }
    for (;;) {
      const { head } = this
      if (head === undefined || (!head.isDone && head.deadline > now)) return
      this.drop()
      f(head, false)
    }
  }

  /** From the oldest. */
  private *inFlight(): Iterable<Outgoing> {
    for (let outgoing = this.oldest; outgoing !== undefined; outgoing = outgoing.newer) yield outgoing
  }

  private depart(outgoing: Outgoing): void {
    outgoing.isInFlight = true
    outgoing.older = this.newest
    if (this.newest === undefined) this.oldest = outgoing
    else this.newest.newer = outgoing
    this.newest = outgoing
    this.count += 1
    this.bytes += outgoing.size
  }

  /** The next one out, if any waits. */
  private get head(): Outgoing | undefined {
    return this.waiting[this.first]
  }

  private drop(): void {
    this.waitingBytes -= this.head?.size ?? 0
    // Mostly nothing waits behind it.
    if (this.waiting.length === 1) {
      this.waiting.pop()
      return
    }
    this.first += 1
    // Each is moved once at most, because half of them go.
    if (this.first * 2 < this.waiting.length) return
    this.waiting = this.waiting.slice(this.first)
    this.first = 0
  }

  private hasRoom(outgoing: Outgoing): boolean {
    return this.count === 0 || (this.count < this.maxCount && this.bytes + outgoing.size <= this.maxBytes)
  }
}
