/**
 * A delivery from a queue in memory, which is settled at once.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Delivery from "../../broker/Delivery.ts"
import type { Envelope } from "../../broker/Envelope.ts"
import type { MemoryConsumer } from "./MemoryConsumer.ts"
import type { MemoryQueue } from "./MemoryQueue.ts"
import type { QueuedMessage } from "./QueuedMessage.ts"

/** Creates its effects on demand, because only one of them is ever used. */
export class MemoryDelivery implements Delivery.Delivery {
  private readonly message: QueuedMessage
  private readonly consumer: MemoryConsumer
  private readonly queue: MemoryQueue
  readonly redelivered: boolean

  constructor(message: QueuedMessage, consumer: MemoryConsumer, queue: MemoryQueue) {
    this.message = message
    this.consumer = consumer
    this.queue = queue
    this.redelivered = message.redelivered
  }

  get session(): unknown {
    return this.consumer
  }

  get envelope(): Envelope {
    return this.message.envelope
  }

  isLive(): boolean {
    return !this.queue.isClosed && this.consumer.holds(this.message)
  }

  get ack(): Effect.Effect<void> {
    return this.settle(() => this.queue.release())
  }

  get requeue(): Effect.Effect<void> {
    return this.settle(() => this.queue.putBack([this.message]))
  }

  /** Settles the delivery unless it is settled already, and frees its slot. */
  private settle(then: () => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.consumer.release(this.message)) return Delivery.countStale
      then()
      this.queue.dispatch()
      return Effect.void
    })
  }
}
