/**
 * The deliveries of a channel that are not settled yet.
 *
 * Acknowledgements of one turn of the event loop go out together. All those that no
 * unsettled delivery comes before are one frame (`multiple`, AMQP 0-9-1, section
 * 1.8.3.13), which saves the broker as much work as the client; of the others, each
 * is a frame of its own.
 *
 * @since 0.1.0
 */

import type { Channel, ConsumeMessage } from "amqplib"

type Settles = Pick<Channel, "ack" | "nack">

/** Delivery tags count up on a channel. */
const tagOf = ({ fields }: ConsumeMessage): number => fields.deliveryTag

/**
 * How long a channel stays open after its last settlement, in milliseconds. No
 * confirm comes for those, and under load RabbitMQ drops, with the channel, what has not
 * reached a quorum queue yet: then the event would be handled once more.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lingerTime = 250

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
  /** In the order of their tags. There are no more than the prefetch. */
  private readonly messages = new Set<ConsumeMessage>()
  /** In this turn. */
  private acked: Array<ConsumeMessage> = []
  private saidAt = 0

  /**
   * Calls `onStale` for each settlement that does nothing: its message is settled
   * already, or its channel is closed. Of the latter, it says which are
   * acknowledgements.
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

  /** When something was settled last, in milliseconds since 1970. */
  get settledAt(): number {
    return this.acked.length > 0 ? this.now() : this.saidAt
  }

  /** Takes in whatever the channel delivers: what is not known here would be acknowledged with what comes after it. */
  add(message: ConsumeMessage): void {
    this.messages.add(message)
  }

  /** The messages that are not settled. */
  get held(): Iterable<ConsumeMessage> {
    return this.messages
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
