/**
 * A queue in memory, with its messages and consumers.
 *
 * It behaves like a queue on RabbitMQ: messages expire at the head, a message that is
 * put back is delivered next, and a consumer holds at most its prefetch.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as MutableList from "effect/MutableList"
import type { Envelope } from "../../broker/Envelope.ts"
import * as Priority from "../../broker/Priority.ts"
import type { QueueSpec } from "../../broker/QueueSpec.ts"
import type { MemoryConsumer } from "./MemoryConsumer.ts"
import { QueuedMessage } from "./QueuedMessage.ts"

/** The number of messages that may wait before publishers yield to handlers. */
const comfortable = 100

export class MemoryQueue {
  readonly declared: QueueSpec
  readonly consumers: Array<MemoryConsumer> = []
  /** Whether the broker is closed, so that no delivery is live any more. */
  isClosed = false
  /** Waits in line until there is room. Another publisher may have taken it by then. */
  readonly room: Effect.Effect<void> = Effect.callback((resume) => {
    const go = () => resume(Effect.void)
    this.inLine.add(go)
    this.admit()
    return Effect.sync(() => this.inLine.delete(go))
  })
  /** Wakes the fibers waiting for a message to arrive. */
  readonly arrival: Latch.Latch = Latch.makeUnsafe(false)
  /** Called when the message at the head expires at the given time. */
  onExpiringHead: (at: number) => void = () => {}
  /** Dead-letters an expired envelope, or returns `false` when there is no room for it. */
  onExpired: (envelope: Envelope) => boolean = () => true

  private readonly capacity: number
  private readonly now: () => number
  private readonly lanes: ReadonlyArray<MutableList.MutableList<QueuedMessage>>
  /** The number of messages that count against the capacity: waiting, held or delayed. */
  private total = 0
  /** The number of messages that have entered it. */
  private entered = 0
  /** The index of the consumer that is next in line. */
  private nextIndex = 0
  /** The publishers that wait for room. */
  private readonly inLine = new Set<() => void>()
  private isAdmitting = false

  constructor(declared: QueueSpec, capacity: number, now: () => number) {
    this.declared = declared
    this.capacity = capacity
    this.now = now
    this.lanes = (declared.priorities ? Priority.all : ["normal"]).map(() => MutableList.make<QueuedMessage>())
  }

  /** Hands messages to a consumer from now on. */
  attach(consumer: MemoryConsumer): void {
    this.consumers.push(consumer)
    this.dispatch()
  }

  /** Hands no more messages to a consumer. */
  detach(consumer: MemoryConsumer): void {
    const at = this.consumers.indexOf(consumer)
    if (at >= 0) this.consumers.splice(at, 1)
  }

  get isFull(): boolean {
    return this.total >= this.capacity
  }

  /** Whether the handlers fall behind the publishers. */
  get isBehind(): boolean {
    return this.consumers.length > 0 && this.messages > comfortable
  }

  get messages(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.length, 0)
  }

  /** The envelopes that wait, the next one first. */
  get envelopes(): ReadonlyArray<Envelope> {
    return this.lanes.toReversed().flatMap((lane) => MutableList.toArray(lane).map((message) => message.envelope))
  }

  /** Adds an envelope. The caller has checked that there is room. */
  push(envelope: Envelope): void {
    this.count(1)
    this.enter(envelope)
  }

  /**
   * Counts an envelope that arrives later, even when the queue is full. It replaces a delivery that still occupies the
   * queue until it is acknowledged, and must not wait for its own room.
   */
  reserve(): void {
    this.count(1)
  }

  /** Adds an envelope that is already counted. */
  enter(envelope: Envelope): void {
    const ttl = Math.min(envelope.ttl ?? Infinity, this.declared.messageTtl ?? Infinity)
    const message = new QueuedMessage(envelope, this.now() + ttl, this.entered++)
    // A message that does not wait cannot expire, however short its time to live.
    const consumer = this.messages === 0 ? this.nextConsumer() : undefined
    if (consumer === undefined) {
      MutableList.append(this.lane(envelope), message.keep())
      this.dispatch()
    } else {
      consumer.take(message)
    }
    this.arrival.openUnsafe()
    this.arrival.closeUnsafe()
  }

  /** Puts back messages that their consumer did not settle, each where it was in its queue. */
  putBack(returned: Iterable<QueuedMessage>): void {
    for (const message of [...returned].toReversed()) {
      message.redelivered = true
      const lane = this.lane(message.envelope)
      // Only messages that were put back before it come before it.
      const earlier: Array<QueuedMessage> = []
      for (;;) {
        const [head] = MutableList.toArrayN(lane, 1)
        if (head === undefined || head.number > message.number) break
        MutableList.take(lane)
        earlier.push(head)
      }
      MutableList.prepend(lane, message.keep())
      for (const each of earlier.toReversed()) MutableList.prepend(lane, each)
    }
    this.dispatch()
  }

  /** Takes the next message, bypassing all consumers. It stays counted. */
  pull(): QueuedMessage | undefined {
    const head = this.head()
    if (head !== undefined) this.drop(head)
    return head
  }

  /** Stops counting a number of messages. */
  release(count = 1): void {
    this.count(-count)
  }

  purge(): number {
    const purged = this.lanes.reduce((sum, lane) => sum + MutableList.takeAll(lane).length, 0)
    this.release(purged)
    return purged
  }

  /** Hands waiting messages to the consumers in turn, while they have room. */
  dispatch(): void {
    for (;;) {
      const head = this.head()
      if (head === undefined) return
      const consumer = this.nextConsumer()
      if (consumer === undefined) {
        if (head.expiresAt !== Infinity) this.onExpiringHead(head.expiresAt)
        return
      }
      this.drop(head)
      consumer.take(head)
    }
  }

  /** Drops expired messages, and returns the next one. */
  private head(): QueuedMessage | undefined {
    for (;;) {
      const lane = this.lanes.findLast((lane) => lane.length > 0)
      const head = lane === undefined ? undefined : MutableList.toArrayN(lane, 1)[0]
      if (head === undefined || head.expiresAt > this.now()) return head
      if (!this.onExpired(head.envelope)) return undefined
      this.drop(head)
      this.release()
    }
  }

  private drop(message: QueuedMessage): void {
    MutableList.take(this.lane(message.envelope))
  }

  private nextConsumer(): MemoryConsumer | undefined {
    if (this.declared.singleActive === true) {
      const [active] = this.consumers
      return active?.hasRoom === true ? active : undefined
    }
    for (let i = 0; i < this.consumers.length; i++) {
      const consumer = this.consumers[(this.nextIndex + i) % this.consumers.length]
      if (consumer?.hasRoom === true) {
        this.nextIndex = (this.nextIndex + i + 1) % this.consumers.length
        return consumer
      }
    }
  }

  private lane(envelope: Envelope): MutableList.MutableList<QueuedMessage> {
    const lane = this.lanes[this.declared.priorities ? Priority.all.indexOf(envelope.priority) : 0]
    if (lane === undefined) throw new Error(`No lane for the priority ${envelope.priority}`)
    return lane
  }

  private count(by: number): void {
    this.total += by
    this.admit()
  }

  /** Wakes only as many publishers as there is room for. The others would wake for nothing. */
  private admit(): void {
    // A publisher that wakes takes its room at once, which calls this again.
    if (this.isAdmitting) return
    this.isAdmitting = true
    for (const go of this.inLine) {
      if (this.isFull) break
      this.inLine.delete(go)
      go()
    }
    this.isAdmitting = false
  }
}
