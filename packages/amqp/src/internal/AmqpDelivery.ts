/**
 * A delivery from RabbitMQ, which belongs to the channel that brought it.
 *
 * A retry or a dead letter is published and confirmed first, and only then is the
 * delivery acknowledged: a crash in between makes a duplicate, never a loss. Once
 * its channel is gone, the broker delivers the event anew, and settling the old
 * delivery is a no-op that is counted: its number would mean another event on
 * another channel.
 *
 * @since 0.1.0
 */

import type { ConsumeMessage } from "amqplib"
import * as Delivery from "effect-eventbus/Delivery"
import type { Envelope } from "effect-eventbus/Envelope"
import type { Reason } from "effect-eventbus/PublishError"
import * as Effect from "effect/Effect"
import type { AmqpAcknowledger } from "./AmqpAcknowledger.ts"
import { backoff } from "./supervise.ts"

/**
 * Where deliveries of one consumer go when they are not simply acknowledged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exits {
  readonly queue: string
  /** Succeeds when the envelope waits in a queue from which it comes back. */
  readonly retry: (envelope: Envelope, delay: number) => Effect.Effect<void, Reason>
  /** Succeeds when the envelope is among the dead letters. */
  readonly deadLetter: (envelope: Envelope) => Effect.Effect<void, Reason>
}

/**
 * The delivery of a message. Its effects are made when they are asked for, because
 * all but one of them never are.
 *
 * @category models
 * @since 0.1.0
 */
export class AmqpDelivery implements Delivery.Delivery {
  readonly envelope: Envelope
  private readonly message: ConsumeMessage
  private readonly unacked: AmqpAcknowledger
  private readonly exits: Exits
  private claimed = false

  constructor(message: ConsumeMessage, envelope: Envelope, unacked: AmqpAcknowledger, exits: Exits) {
    this.envelope = envelope
    this.message = message
    this.unacked = unacked
    this.exits = exits
  }

  get redelivered(): boolean {
    return this.message.fields.redelivered
  }

  isLive(): boolean {
    return !this.claimed && this.unacked.isOpen()
  }

  get ack(): Effect.Effect<void> {
    return this.once(() => this.acknowledge())
  }

  get requeue(): Effect.Effect<void> {
    return this.once(() => {
      this.unacked.requeue(this.message)
      return Effect.void
    })
  }

  retry(next: Envelope, delay: number): Effect.Effect<void> {
    return this.once(() => this.move(this.exits.retry(next, delay)))
  }

  deadLetter(letter: Envelope): Effect.Effect<void> {
    return this.once(() => this.move(this.exits.deadLetter(letter)))
  }

  /** Settles the delivery in one way, and in no other after that. */
  private once(settle: () => Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.isLive()) return Delivery.countStale
      this.claimed = true
      return settle()
    })
  }

  private acknowledge(): Effect.Effect<void> {
    this.unacked.ack(this.message)
    return Effect.void
  }

  /** Moves the envelope on, however long that takes, unless the broker takes the delivery back, or it is interrupted. */
  private move(publish: Effect.Effect<void, Reason>): Effect.Effect<void> {
    const { exits, unacked } = this
    return publish.pipe(
      Effect.tapError((reason) =>
        unacked.isOpen()
          ? Effect.logWarning(`Cannot settle an event of "${exits.queue}" yet: ${reason.message}`)
          : Effect.void
      ),
      Effect.retry({ schedule: backoff, while: unacked.isOpen }),
      Effect.matchEffect({ onSuccess: () => this.acknowledge(), onFailure: () => Delivery.countStale }),
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          this.claimed = false
        })
      )
    )
  }
}
