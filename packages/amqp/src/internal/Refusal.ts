/**
 * Reads what RabbitMQ says when it closes a channel, or a connection, over a publish.
 *
 * AMQP has no answer to a single publish that is refused but to close its channel
 * (AMQP 0-9-1, section 4.10.2), and the reply text is all that tells which one it
 * was. RabbitMQ cuts that text to 255 bytes.
 *
 * @since 0.1.0
 */

import { NotPermitted, type Reason, Refused, TooLarge } from "effect-eventbus/PublishError"
import * as AmqpError from "./AmqpError.ts"
import type { Message } from "./AmqpMessage.ts"

/** An operator closed the connection, its channel numbers got mixed up, or its virtual host is gone: no message did it. */
const blameless: ReadonlyArray<number> = [320, 504, 530]

/**
 * The words in which RabbitMQ closed a channel or a connection over a publish.
 *
 * @category models
 * @since 0.1.0
 */
export class Refusal {
  /** Reads the error that ended a channel or a connection, if the broker may have ended it over a message. */
  static of(error: unknown): Refusal | undefined {
    const code = AmqpError.replyCode(error)
    return code === undefined || blameless.includes(code) ? undefined : new Refusal(code, error)
  }

  readonly detail: string
  /** Whether an exchange that is missing is the reason. */
  readonly isOfMissingExchange: boolean
  /** The largest body that the broker takes, where it says so. */
  readonly limit: number | undefined
  /** Whether the routing key is refused, and not all of the exchange. */
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
    this.exchange = exchangeOfKey ?? /exchange '([^']*)' in vhost/.exec(text)?.[1]
    this.isCut = key !== undefined && exchangeOfKey === undefined
  }

  /** Returns whether a message is of those that are refused, as far as it can be told from the words. */
  concerns({ content, exchange, routingKey }: Message): boolean {
    if (this.limit !== undefined) return content.length > this.limit
    if (this.key !== undefined && this.isCut) return routingKey.startsWith(this.key)
    return exchange === this.exchange && (this.key === undefined || this.key === routingKey)
  }

  /** Returns the reason of a message's publish that was refused so. */
  reason({ content }: Message): Reason {
    if (this.limit !== undefined) return new TooLarge({ bytes: content.length, limit: this.limit })
    return this.code === 403 ? new NotPermitted({ detail: this.detail }) : new Refused({ detail: this.detail })
  }
}
