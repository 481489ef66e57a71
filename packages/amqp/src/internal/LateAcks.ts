/**
 * The messages of a consumer that were acknowledged too late. They have been handled,
 * but their channel was closed before, so RabbitMQ delivers them again.
 *
 * @internal
 */

import { createHash } from "node:crypto"
import type { ConsumeMessage } from "amqplib"

/** The number of messages that are remembered, the latest ones. */
const most = 1000

/**
 * Returns a key that identifies a message and stays the same when it is delivered
 * again. Publishers may reuse an id, and retries and replays of an event have its id,
 * so the key includes the body and the attempt.
 */
const keyOf = ({ content, properties }: ConsumeMessage): string | undefined => {
  const { headers, messageId } = properties
  if (typeof messageId !== "string" || messageId === "") return undefined
  const body = createHash("sha256").update(content).digest("base64")
  return JSON.stringify([messageId, headers?.["eb-attempt"], headers?.["eb-round"], body])
}

export class LateAcks {
  private readonly keys = new Set<string>()

  /** Remembers a message. If it has been delivered again already, returns the same message among `held` instead. */
  add(message: ConsumeMessage, held: Iterable<ConsumeMessage>): ConsumeMessage | undefined {
    const key = keyOf(message)
    if (key === undefined) return undefined
    for (const each of held) {
      const isSame = each.fields.redelivered && each.properties.messageId === message.properties.messageId
      if (isSame && keyOf(each) === key) return each
    }
    this.keys.add(key)
    const [oldest] = this.keys
    if (this.keys.size > most && oldest !== undefined) this.keys.delete(oldest)
    return undefined
  }

  /** Forgets a message that is delivered again, and returns whether it was remembered. */
  take(message: ConsumeMessage): boolean {
    if (this.keys.size === 0 || !message.fields.redelivered) return false
    const key = keyOf(message)
    return key !== undefined && this.keys.delete(key)
  }
}
