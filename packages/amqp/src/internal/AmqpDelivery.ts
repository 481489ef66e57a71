/**
 * A delivery from RabbitMQ, which belongs to the channel that brought it.
 *
 * Once its channel is gone, the broker delivers the message again, and settling the
 * old delivery does nothing but count: its number would mean another message on
 * another channel.
 *
 * @internal
 */

import type { ConsumeMessage } from "amqplib"
import * as Delivery from "effect-eventbus/Delivery"
import type { Envelope } from "effect-eventbus/Envelope"
import * as Effect from "effect/Effect"
import type { AmqpAcknowledger } from "./AmqpAcknowledger.ts"
import * as AmqpMessage from "./AmqpMessage.ts"

/** Makes its effects when they are asked for, because all but one of them never are. */
export class AmqpDelivery implements Delivery.Delivery {
  readonly envelope: Envelope
  private readonly message: ConsumeMessage
  private readonly acknowledger: AmqpAcknowledger
  private isSettled = false

  constructor(message: ConsumeMessage, envelope: Envelope, acknowledger: AmqpAcknowledger) {
    this.envelope = envelope
    this.message = message
    this.acknowledger = acknowledger
  }

  get redelivered(): boolean {
    return this.message.fields.redelivered
  }

  get returns(): number {
    return AmqpMessage.returnsOf(this.message)
  }

  isLive(): boolean {
    return !this.isSettled && this.acknowledger.isOpen()
  }

  get ack(): Effect.Effect<void> {
    return this.settle(() => this.acknowledger.ack(this.message))
  }

  get requeue(): Effect.Effect<void> {
    return this.settle(() => this.acknowledger.requeue(this.message))
  }

  private settle(then: () => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.isLive()) return Delivery.countStale
      this.isSettled = true
      then()
      return Effect.void
    })
  }
}
