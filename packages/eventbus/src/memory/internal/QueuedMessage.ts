/**
 * A message in a queue in memory.
 *
 * @internal
 */

import type { Envelope } from "../../broker/Envelope.ts"
import type { MemoryConsumer } from "./MemoryConsumer.ts"

/** A waiting message. A class, because V8 treats object literals as old, with all they hold, once some of them wait. */
export class QueuedMessage {
  readonly envelope: Envelope
  readonly expiresAt: number
  redelivered = false
  /** The consumer that holds it. */
  consumer: MemoryConsumer | undefined = undefined
  /** Its index among the messages that its consumer holds. */
  index = 0
  /** Its place in the order in which its consumer received messages. */
  sequence = 0

  constructor(envelope: Envelope, expiresAt: number) {
    this.envelope = envelope
    this.expiresAt = expiresAt
  }
}
