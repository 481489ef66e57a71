/**
 * The publishes that are waiting to be sent or confirmed, as plain state.
 *
 * What is sent and not confirmed is bounded by number and by bytes; the rest
 * waits in the order in which it came. A publish that may be refused is in flight
 * alone, for its refusal would take the confirms of the others along. What was in
 * flight when its channel died goes to the front again: the broker may have it, so
 * it may arrive twice.
 *
 * @since 0.1.0
 */

import type { Reason } from "effect-eventbus/PublishError"
import type { Message } from "./AmqpMessage.ts"

/**
 * A publish on its way: a class, for the reason that `Message` is one.
 *
 * @category models
 * @since 0.1.0
 */
export class Outgoing {
  readonly message: Message
  /** The time at which the wait for it ends, in milliseconds of the monotonic clock. */
  readonly deadline: number
  /** Resumes the publisher. The second call does nothing. */
  readonly settle: (reason: Reason | undefined) => void
  /** Whether its publisher waits no longer. */
  isDone = false
  /** Whether a channel died with it in flight, so that the broker may have it. */
  mayHaveLanded = false
  /** Whether the broker has handed it back because no queue wanted it. */
  wasReturned = false
  /** How often a channel or a connection was closed over a message in flight, which may have been this one. */
  strikes = 0
  isInFlight = false
  /** Whether it has been in flight for so long that those who would be alone wait for it no longer. */
  isLate = false
  /** Its neighbours in flight. */
  older: Outgoing | undefined = undefined
  newer: Outgoing | undefined = undefined

  constructor(message: Message, deadline: number, settle: (reason: Reason | undefined) => void) {
    this.message = message
    this.deadline = deadline
    this.settle = settle
  }

  /** How much room it takes up in flight, in bytes. */
  get size(): number {
    return this.message.content.length + overhead
  }
}

/** The bytes that a message takes up beside its body. */
const overhead = 512
/** How many windows may wait to be sent: more than a publish timeout can send over most networks. */
const maxWindowsWaiting = 16
/** How many bytes may wait in any case. */
const leastWaiting = 64 * 1024 * 1024

/**
 * The publishes that are waiting to be sent or confirmed.
 *
 * @category models
 * @since 0.1.0
 */
export class ConfirmWindow {
  /** The publishes that wait, from `first` on: a list that would give up its nodes one by one costs more than all else here. */
  private waiting: Array<Outgoing> = []
  private first = 0
  private waitingBytes = 0
  /** The publishes in flight are a linked list, in their order. Each leaves it in constant time. */
  private oldest: Outgoing | undefined
  private newest: Outgoing | undefined
  private count = 0
  private bytes = 0
  private late = 0
  /** The publish that is in flight and must be alone. */
  private loner: Outgoing | undefined
  /** The publish that keeps others waiting, so that it or the one in front of them is in flight alone. */
  held: Outgoing | undefined
  private readonly maxCount: number
  private readonly maxBytes: number
  private readonly mustBeAlone: (outgoing: Outgoing) => boolean

  constructor(maxCount: number, maxBytes: number, mustBeAlone: (outgoing: Outgoing) => boolean) {
    this.maxCount = maxCount
    this.maxBytes = maxBytes
    this.mustBeAlone = mustBeAlone
  }

  get unconfirmed(): number {
    return this.count
  }

  get isIdle(): boolean {
    return this.count === 0 && this.head === undefined
  }

  /** Whether as much waits as may. */
  get isFull(): boolean {
    return this.waitingBytes >= Math.max(leastWaiting, this.maxBytes * maxWindowsWaiting)
  }

  add(outgoing: Outgoing): void {
    this.waiting.push(outgoing)
    this.waitingBytes += outgoing.size
  }

  /** Moves the next publish into flight, if there is one and there is room for it. */
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
      if (isAlone && this.count > this.late) {
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

  /** Whether a publish is in flight, and what comes next waits for it. */
  isAlone(outgoing: Outgoing): boolean {
    return outgoing === this.loner
  }

  /** Lets go on what waits for what is in flight. It may take its time: the queue of one may not answer at all. */
  waitNoLonger(): void {
    for (const outgoing of this.inFlight()) {
      if (!outgoing.isLate) this.late += 1
      outgoing.isLate = true
    }
    this.loner = undefined
  }

  /**
   * The publish in flight that a returned message belongs to. The broker returns
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

  /** Takes a publish out of flight. */
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

  /** Puts what is in flight back to the front, after asking what becomes of it. */
  reclaim(f: (lost: ReadonlyArray<Outgoing>) => void): void {
    const lost = [...this.inFlight()]
    for (const outgoing of lost) this.landed(outgoing)
    f(lost)
    this.putBack(lost.filter((outgoing) => !outgoing.isDone))
  }

  /** Puts what is no longer in flight to the front again. */
  putBack(lost: ReadonlyArray<Outgoing>): void {
    this.waiting = [...lost, ...this.waiting.slice(this.first)]
    this.first = 0
    for (const { size } of lost) this.waitingBytes += size
  }

  /** Returns the publishes that wait now, from the first one on. */
  get waits(): ReadonlyArray<Outgoing> {
    return this.waiting.slice(this.first).filter((outgoing) => !outgoing.isDone)
  }

  /** The deadline of the publish that has been in flight for the longest time. */
  get deadline(): number {
    return this.oldest?.deadline ?? Infinity
  }

  /** Names what has waited beyond its deadline. All wait equally long, so the first ones are the oldest. */
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
