/**
 * Reads the words with which RabbitMQ closes a channel or a connection over a publish.
 *
 * In AMQP a broker can refuse a publish only by closing its channel (AMQP 0-9-1,
 * section 4.10.2). Only the reply text tells which publish it was. RabbitMQ cuts the
 * text to 255 bytes.
 *
 * @since 0.1.0
 */

import { NotPermitted, type Reason, Refused, TooLarge } from "effect-eventbus/PublishError"
import * as AmqpError from "./AmqpError.ts"
import type { Message } from "./AmqpMessage.ts"

/**
 * Reply codes that no message causes: an operator closed the connection, channel
 * numbers got mixed up, or the virtual host is gone.
 */
const blameless: ReadonlyArray<number> = [320, 504, 530]

/** The words of RabbitMQ about acknowledgements, of which a publish is none. */
const ofAcknowledgements = /unknown delivery tag|delivery acknowledgement/

/**
 * The words in which RabbitMQ closed a channel or a connection over a publish.
 *
 * @category models
 * @since 0.1.0
 */
export class Refusal {
  /** Reads the error that ended a channel or connection, if a message may have been the cause. */
  static of(error: unknown): Refusal | undefined {
    const code = AmqpError.replyCode(error)
    if (code === undefined || blameless.includes(code)) return undefined
    return ofAcknowledgements.test(AmqpError.textOf(error)) ? undefined : new Refusal(code, error)
  }

  readonly detail: string
  /** Whether the reason is a missing exchange. */
  readonly isOfMissingExchange: boolean
  /** The largest body that the broker takes, if it says so. */
  readonly limit: number | undefined
  /** Whether only the routing key is refused, not the whole exchange. */
  readonly isOfKey: boolean
  private readonly code: number
  private readonly exchange: string | undefined
  private readonly key: string | undefined
  private readonly isCut: boolean

  constructor(code: number, error: unknown) {
    this.code = code
    this.detail = AmqpError.detailOf(error)
    const text = AmqpError.textOf(error)
    const [, key, exchangeOfKey] =
      /access to topic '(.*?)(?:' in exchange '(?:([^']*)' in vhost)?|\.\.\."?$)/s.exec(text) ?? []
    const size = code === 406 ? /max size (\d+)/.exec(text)?.[1] : undefined
    this.limit = size === undefined ? undefined : Number(size)
    this.isOfMissingExchange = code === 404
    this.isOfKey = key !== undefined
    this.key = key
    const exchange = exchangeOfKey ?? /exchange '([^']*)' in vhost/.exec(text)?.[1]
    // The name of the default exchange is empty (AMQP 0-9-1, section 3.1.3.1).
    this.exchange = exchange === "amq.default" ? "" : exchange
    this.isCut = key !== undefined && exchangeOfKey === undefined
  }

  /** Returns whether a message is among the refused ones, as far as the words tell. */
  concerns({ content, exchange, routingKey }: Message): boolean {
    if (this.limit !== undefined) return content.length > this.limit
    if (this.key !== undefined && this.isCut) return routingKey.startsWith(this.key)
    return exchange === this.exchange && (this.key === undefined || this.key === routingKey)
  }

  /** Returns the reason for a message that was refused in these words. */
  reason({ content }: Message): Reason {
    if (this.limit !== undefined) return new TooLarge({ bytes: content.length, limit: this.limit })
    return this.code === 403 ? new NotPermitted({ detail: this.detail }) : new Refused({ detail: this.detail })
  }
}
