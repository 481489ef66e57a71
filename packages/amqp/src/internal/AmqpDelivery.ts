/**
 * A delivery from RabbitMQ. It belongs to the channel that brought it.
 *
 * When the channel is gone, RabbitMQ delivers the message again, and settling the old
 * delivery has no effect. Its delivery tag would mean another message on another
 * channel.
 *
 * @internal
 */

import type { ConsumeMessage } from "amqplib"
import type { Delivery } from "effect-eventbus/Delivery"
import type { Envelope } from "effect-eventbus/Envelope"
import * as Effect from "effect/Effect"
import type { AmqpAcknowledger } from "./AmqpAcknowledger.ts"
import * as AmqpMessage from "./AmqpMessage.ts"

/** Makes its effects on demand, because all but one of them are never used. */
export class AmqpDelivery implements Delivery {
  readonly envelope: Envelope
  private readonly message: ConsumeMessage
  private readonly acknowledger: AmqpAcknowledger

  constructor(message: ConsumeMessage, envelope: Envelope, acknowledger: AmqpAcknowledger) {
    this.envelope = envelope
    this.message = message
    this.acknowledger = acknowledger
  }

  get session(): unknown {
    return this.acknowledger
  }

  get redelivered(): boolean {
    return this.message.fields.redelivered
  }

  get returns(): number {
    return AmqpMessage.returnsOf(this.message)
  }

  isLive(): boolean {
    return this.acknowledger.holds(this.message)
  }

  get ack(): Effect.Effect<void> {
    return Effect.sync(() => this.acknowledger.ack(this.message))
  }

  get requeue(): Effect.Effect<void> {
    return Effect.sync(() => this.acknowledger.requeue(this.message))
  }
}
