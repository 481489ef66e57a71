/**
 * A message in a queue in memory.
 *
 * @internal
 */

import type { Envelope } from "../../broker/Envelope.ts"
import type { MemoryConsumer } from "./MemoryConsumer.ts"

/** Copies a body that shares a block with others, because one that stays would keep the whole block. */
export const kept = (envelope: Envelope): Envelope =>
  envelope.body.length < envelope.body.buffer.byteLength ? { ...envelope, body: envelope.body.slice() } : envelope

/** A waiting message. A class, because V8 treats object literals as old, with all they hold, once some of them wait. */
export class QueuedMessage {
  envelope: Envelope
  readonly expiresAt: number
  /** Its place in the order in which its queue received messages. */
  readonly number: number
  redelivered = false
  /** The consumer that holds it. */
  consumer: MemoryConsumer | undefined = undefined
  /** Its index among the messages that its consumer holds. */
  index = 0
  /** Its place in the order in which its consumer received messages. */
  sequence = 0

  constructor(envelope: Envelope, expiresAt: number, number: number) {
    this.envelope = envelope
    this.expiresAt = expiresAt
    this.number = number
  }

  /** Makes the message hold no more bytes than its own, so that it may wait for any time. */
  keep(): this {
    this.envelope = kept(this.envelope)
    return this
  }
}
