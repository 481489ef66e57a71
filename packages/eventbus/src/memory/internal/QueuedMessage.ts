/**
 * A message in a queue in memory.
 *
 * @internal
 */

import type { Envelope } from "../../broker/Envelope.ts"
import type { MemoryConsumer } from "./MemoryConsumer.ts"

/** A class, because V8 treats objects of a literal as old once some of them wait for a while, with all they hold. */
export class QueuedMessage {
  readonly envelope: Envelope
  readonly expiresAt: number
  redelivered = false
  /** The consumer that holds it. */
  consumer: MemoryConsumer | undefined = undefined
  /** Its index among all that its consumer holds. */
  index = 0
  /** Its place in the order in which its consumer received messages. */
  sequence = 0

  constructor(envelope: Envelope, expiresAt: number) {
    this.envelope = envelope
    this.expiresAt = expiresAt
  }
}
