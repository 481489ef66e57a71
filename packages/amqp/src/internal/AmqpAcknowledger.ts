/**
 * The deliveries of a channel that are not settled yet.
 *
 * Acknowledgements of one turn of the event loop are sent together. Those with no
 * unsettled delivery before them become one frame (`multiple`, AMQP 0-9-1, section
 * 1.8.3.13), which also saves the broker work. Each of the others is a frame of its
 * own.
 *
 * @since 0.1.0
 */

import type { Channel, ConsumeMessage } from "amqplib"
import * as Effect from "effect/Effect"

type Settles = Pick<Channel, "ack" | "nack">

/** Delivery tags count up on a channel. */
const tagOf = ({ fields }: ConsumeMessage): number => fields.deliveryTag

/**
 * The time for which a channel stays open after its last settlement, in milliseconds.
 * RabbitMQ does not confirm settlements. Under load it drops, together with the
 * channel, those that have not reached a quorum queue yet, and their events would be
 * handled again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lingerTime = 250

/** Waits for the rest of that time. A clock that was set back does not make it longer. */
export const linger = (settledAt: number, now: number): Effect.Effect<void> => {
  const rest = Math.min(settledAt + lingerTime - now, lingerTime)
  return rest > 0 ? Effect.sleep(rest) : Effect.void
}

/**
 * The unsettled deliveries of one channel.
 *
 * @category models
 * @since 0.1.0
 */
export class AmqpAcknowledger {
  readonly isOpen: () => boolean
  private readonly channel: Settles
  private readonly now: () => number
  private readonly onStale: (message: ConsumeMessage, isLateAck: boolean) => void
  /** In the order of their tags. There are at most as many as the prefetch. */
  private readonly messages = new Set<ConsumeMessage>()
  /** In this turn. */
  private acked: Array<ConsumeMessage> = []
  private saidAt = 0

  /**
   * Calls `onStale` for each settlement without effect, because its message is settled
   * already or its channel is closed. In the second case it says whether the settlement
   * is an acknowledgement.
   */
  constructor(
    { channel, isOpen }: { readonly channel: Settles; readonly isOpen: () => boolean },
    now: () => number,
    onStale: (message: ConsumeMessage, isLateAck: boolean) => void
  ) {
    this.isOpen = isOpen
    this.channel = channel
    this.now = now
    this.onStale = onStale
  }

  /** The time of the last settlement, in milliseconds since 1970. */
  get settledAt(): number {
    return this.acked.length > 0 ? this.now() : this.saidAt
  }

  /**
   * Adds a delivery of the channel. All must be added: an unknown one would be
   * acknowledged together with a later one.
   */
  add(message: ConsumeMessage): void {
    this.messages.add(message)
  }

  /** The messages that are not settled. */
  get held(): Iterable<ConsumeMessage> {
    return this.messages
  }

  /** Whether some message is not settled. */
  get isHolding(): boolean {
    return this.messages.size > 0
  }

  /** Returns whether a message can still be settled. */
  holds(message: ConsumeMessage): boolean {
    return this.messages.has(message) && this.isOpen()
  }

  /** Acknowledges a message at the end of this turn. */
  ack(message: ConsumeMessage): void {
    if (!this.messages.delete(message)) this.onStale(message, false)
    else if (!this.isOpen()) this.onStale(message, true)
    else if (this.acked.push(message) === 1) process.nextTick(this.flush)
  }

  /** Gives a message back at once. */
  requeue(message: ConsumeMessage): void {
    if (!this.messages.delete(message) || !this.isOpen()) this.onStale(message, false)
    else this.say([message], false, () => this.channel.nack(message, false, true))
  }

  private readonly flush = (): void => {
    const { acked, channel } = this
    this.acked = []
    const [oldest] = this.messages
    this.say(acked, true, () => {
      let last: ConsumeMessage | undefined
      let together = 0
      for (const message of acked) {
        if (oldest !== undefined && tagOf(message) > tagOf(oldest)) channel.ack(message)
        else {
          together += 1
          if (last === undefined || tagOf(message) > tagOf(last)) last = message
        }
      }
      if (last !== undefined) channel.ack(last, together > 1)
    })
  }

  /** amqplib throws on a channel that died a moment ago. */
  private say(messages: ReadonlyArray<ConsumeMessage>, isAck: boolean, f: () => void): void {
    try {
      f()
      this.saidAt = this.now()
    } catch {
      for (const message of messages) this.onStale(message, isAck)
    }
  }
}
