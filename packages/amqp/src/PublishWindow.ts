/**
 * The publishes that are waiting to be sent or confirmed, as plain state.
 *
 * What is sent and not confirmed is bounded by number and by bytes; the rest
 * waits in the order in which it came. What was in flight when its channel died
 * goes to the front again: the broker may have it, so it may arrive twice.
 *
 * @since 0.1.0
 */

import type { Options } from "amqplib"
import type { Reason } from "effect-eventbus/PublishError"

/**
 * A publish on its way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outgoing {
  readonly exchange: string
  readonly routingKey: string
  readonly content: Buffer
  readonly messageId: string
  readonly options: Options.Publish
  /** When it is no longer waited for, in milliseconds of a clock that nobody sets. */
  readonly deadline: number
  /** Tells whoever waits; the second time it does nothing. */
  readonly settle: (reason: Reason | undefined) => void
  /** Whether nobody waits any more. */
  isDone: boolean
  /** Whether a channel died with it in flight, so that the broker may have it. */
  mayHaveLanded: boolean
  /** Whether the broker has handed it back because no queue wanted it. */
  wasReturned: boolean
}

/** What a message takes up beside its body. */
const overhead = 512

/**
 * The publishes that are waiting to be sent or confirmed.
 *
 * @category models
 * @since 0.1.0
 */
export class PublishWindow {
  /** What waits, from `first` on: a list that would give up its nodes one by one costs more than all else here. */
  private waiting: Array<Outgoing> = []
  private first = 0
  private readonly inFlight = new Map<string, Outgoing>()
  /** What waits for a publish of the same id to land: returns are matched by message id. */
  private readonly behind = new Map<string, Array<Outgoing>>()
  private bytes = 0
  private readonly maxCount: number
  private readonly maxBytes: number

  constructor(maxCount: number, maxBytes: number) {
    this.maxCount = maxCount
    this.maxBytes = maxBytes
  }

  get unconfirmed(): number {
    return this.inFlight.size
  }

  get isIdle(): boolean {
    return this.inFlight.size === 0 && this.head === undefined
  }

  add(outgoing: Outgoing): void {
    this.waiting.push(outgoing)
  }

  /** Moves the next publish into flight, if there is one and there is room for it. */
  next(): Outgoing | undefined {
    for (;;) {
      const { head } = this
      if (head === undefined || (!head.isDone && !this.hasRoom(head))) return undefined
      this.drop()
      if (head.isDone) continue
      if (this.inFlight.has(head.messageId)) {
        const others = this.behind.get(head.messageId)
        if (others === undefined) this.behind.set(head.messageId, [head])
        else others.push(head)
        continue
      }
      this.inFlight.set(head.messageId, head)
      this.bytes += head.content.length + overhead
      return head
    }
  }

  /** The publish in flight that a returned message belongs to. */
  returned(messageId: unknown): Outgoing | undefined {
    return typeof messageId === "string" ? this.inFlight.get(messageId) : undefined
  }

  /** Takes a publish out of flight. */
  landed(outgoing: Outgoing): void {
    const { content, messageId } = outgoing
    if (!this.inFlight.delete(messageId)) return
    this.bytes -= content.length + overhead
    const others = this.behind.get(messageId)
    if (others === undefined) return
    this.behind.delete(messageId)
    this.prepend(others)
  }

  /** Puts what is in flight back to the front, after asking what has become of each. */
  reclaim(f: (outgoing: Outgoing) => void): void {
    const lost = [...this.inFlight.values()]
    const others = [...this.behind.values()].flat()
    this.inFlight.clear()
    this.behind.clear()
    this.bytes = 0
    lost.forEach(f)
    this.prepend([...lost, ...others].filter((outgoing) => !outgoing.isDone))
  }

  /** The deadline of the publish that has been in flight for the longest time. */
  get oldest(): number {
    return this.inFlight.values().next().value?.deadline ?? Infinity
  }

  /** Names what has waited beyond its deadline. All wait equally long, so the first ones are the oldest. */
  expire(now: number, f: (outgoing: Outgoing, isInFlight: boolean) => void): void {
    for (const outgoing of this.inFlight.values()) {
      if (outgoing.deadline > now) break
      f(outgoing, true)
    }
    for (const others of this.behind.values()) {
      others.filter((outgoing) => outgoing.deadline <= now).forEach((outgoing) => f(outgoing, false))
    }
    for (;;) {
      const { head } = this
      if (head === undefined || (!head.isDone && head.deadline > now)) return
      this.drop()
      f(head, false)
    }
  }

  /** The next one out, if any waits. */
  private get head(): Outgoing | undefined {
    return this.waiting[this.first]
  }

  private drop(): void {
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

  private prepend(others: ReadonlyArray<Outgoing>): void {
    this.waiting = [...others, ...this.waiting.slice(this.first)]
    this.first = 0
  }

  private hasRoom(outgoing: Outgoing): boolean {
    return (
      this.inFlight.size === 0 ||
      (this.inFlight.size < this.maxCount && this.bytes + outgoing.content.length + overhead <= this.maxBytes)
    )
  }
}
