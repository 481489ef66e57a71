/**
 * A delivery from a queue in memory, which is settled there and then.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Delivery from "../../broker/Delivery.ts"
import type { Envelope } from "../../broker/Envelope.ts"
import type { Item, MemoryConsumer } from "./MemoryConsumer.ts"
import type { MemoryQueue } from "./MemoryQueue.ts"

/** What becomes of the deliveries of a queue that do not stay where they are. */
export interface Exits {
  readonly retry: (envelope: Envelope, delay: number) => void
  /** Waits until there is room for one more. */
  readonly awaitDeadLetterRoom: Effect.Effect<void>
  readonly deadLetter: (envelope: Envelope) => void
}

/** Its effects are made when they are asked for, because all but one of them never are. */
export class MemoryDelivery implements Delivery.Delivery {
  private readonly item: Item
  private readonly consumer: MemoryConsumer
  private readonly queue: MemoryQueue
  private readonly exits: Exits
  readonly redelivered: boolean

  constructor(item: Item, consumer: MemoryConsumer, queue: MemoryQueue, exits: Exits) {
    this.item = item
    this.consumer = consumer
    this.queue = queue
    this.exits = exits
    this.redelivered = item.redelivered
  }

  get envelope(): Envelope {
    return this.item.envelope
  }

  isLive(): boolean {
    return this.consumer.holds(this.item)
  }

  get ack(): Effect.Effect<void> {
    return this.settle(() => this.queue.release())
  }

  get requeue(): Effect.Effect<void> {
    return this.settle(() => this.queue.putBack([this.item]))
  }

  retry(envelope: Envelope, delay: number): Effect.Effect<void> {
    return this.settle(() => this.exits.retry(envelope, delay))
  }

  deadLetter(envelope: Envelope): Effect.Effect<void> {
    return Effect.andThen(
      this.exits.awaitDeadLetterRoom,
      this.settle(() => this.exits.deadLetter(envelope))
    )
  }

  /** Settles the delivery if that has not been done: the slot it held is free again. */
  private settle(then: () => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.consumer.release(this.item)) return Delivery.countStale
      then()
      this.queue.dispatch()
      return Effect.void
    })
  }
}
