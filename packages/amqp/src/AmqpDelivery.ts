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
import { backoff } from "./internal/supervise.ts"

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
  /** Called when something was settled on it. */
  readonly onSettled: () => void
}

/**
 * How long a channel stays open after its last settlement, in milliseconds. Nobody
 * confirms those, and under load RabbitMQ drops, with the channel, what has not
 * reached a quorum queue yet: then the event would be handled once more.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lingerTime = 250

/**
 * Makes the delivery of a message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (message: ConsumeMessage, envelope: Envelope, source: Source, exits: Exits): Delivery.Delivery => {
  let claimed = false
  const isLive = () => !claimed && source.isOpen()

  /** Settles the delivery in one way, and in no other after that. */
  const once = (settle: () => Effect.Effect<void>): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!isLive()) return Delivery.countStale
      claimed = true
      return settle()
    })

  const say = (f: (channel: Channel) => void): Effect.Effect<void> => {
    if (!source.isOpen()) return Delivery.countStale
    try {
      f(source.channel)
      source.onSettled()
      return Effect.void
    } catch {
      // amqplib throws on a channel that died a moment ago.
      return Delivery.countStale
    }
  }

  const ack = () => say((channel) => channel.ack(message))

  /** Moves the envelope on, however long that takes, unless the broker takes the delivery back, or it is interrupted. */
  const move = (publish: Effect.Effect<void, Reason>): Effect.Effect<void> =>
    publish.pipe(
      Effect.tapError((reason) =>
        source.isOpen()
          ? Effect.logWarning(`Cannot settle an event of "${exits.queue}" yet: ${reason.message}`)
          : Effect.void
      ),
      Effect.retry({ schedule: backoff, while: source.isOpen }),
      Effect.matchEffect({ onSuccess: ack, onFailure: () => Delivery.countStale }),
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          claimed = false
        })
      )
    )

  return {
    envelope,
    redelivered: message.fields.redelivered,
    isLive,
    ack: once(ack),
    requeue: once(() => say((channel) => channel.nack(message, false, true))),
    retry: (next, delay) => once(() => move(exits.retry(next, delay))),
    deadLetter: (letter) => once(() => move(exits.deadLetter(letter)))
  }
}
