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

import type { Channel, ConsumeMessage } from "amqplib"
import * as Delivery from "effect-eventbus/Delivery"
import type { Envelope } from "effect-eventbus/Envelope"
import type { Reason } from "effect-eventbus/PublishError"
import * as Effect from "effect/Effect"
import * as AmqpConnection from "./AmqpConnection.ts"

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
 * The channel of a consumer, and whether it is still there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  readonly channel: Channel
  readonly isOpen: () => boolean
}

/**
 * Makes the delivery of a message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (message: ConsumeMessage, envelope: Envelope, source: Source, exits: Exits): Delivery.Delivery => {
  let settled = false
  const isLive = () => !settled && source.isOpen()

  const settle = (say: (channel: Channel) => void): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!isLive()) return Delivery.countStale
      settled = true
      try {
        say(source.channel)
        return Effect.void
      } catch {
        // amqplib throws on a channel that died a moment ago.
        return Delivery.countStale
      }
    })

  const ack = settle((channel) => channel.ack(message))

  /** Moves the envelope on, however long that takes, unless the broker takes the delivery back. */
  const move = (publish: Effect.Effect<void, Reason>): Effect.Effect<void> =>
    Effect.suspend(() =>
      isLive()
        ? publish.pipe(
            Effect.tapError((reason) =>
              isLive()
                ? Effect.logWarning(`Cannot settle an event of "${exits.queue}" yet: ${reason.message}`)
                : Effect.void
            ),
            Effect.retry({ schedule: AmqpConnection.backoff, while: isLive }),
            Effect.matchEffect({ onSuccess: () => ack, onFailure: () => Delivery.countStale })
          )
        : Delivery.countStale
    )

  return {
    envelope,
    redelivered: message.fields.redelivered,
    isLive,
    ack,
    requeue: settle((channel) => channel.nack(message, false, true)),
    retry: (next, delay) => move(exits.retry(next, delay)),
    deadLetter: (letter) => move(exits.deadLetter(letter))
  }
}
