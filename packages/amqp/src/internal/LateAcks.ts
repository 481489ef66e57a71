/**
 * The messages of a consumer that were acknowledged too late: what they ask for is
 * done, but their channel was closed before, so RabbitMQ hands them out again.
 *
 * @internal
 */

import { createHash } from "node:crypto"
import type { ConsumeMessage } from "amqplib"

/** So many are remembered, the latest ones. */
const most = 1000

/**
 * Returns what tells a message from all others, and stays the same when it is handed
 * out again. A publisher may use an id twice, and a retry or a replay of an event has
 * its id, so the body and the attempt belong to it.
 */
const keyOf = ({ content, properties }: ConsumeMessage): string | undefined => {
  const { headers, messageId } = properties
  if (typeof messageId !== "string" || messageId === "") return undefined
  const body = createHash("sha256").update(content).digest("base64")
  return JSON.stringify([messageId, headers?.["eb-attempt"], headers?.["eb-round"], body])
}

export class LateAcks {
  private readonly keys = new Set<string>()

  /**
   * Remembers a message, unless it has been handed out again already: then returns
   * the one of `held` that is the same.
   */
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

  /** Forgets a message that is handed out again, and returns whether it was remembered. */
  take(message: ConsumeMessage): boolean {
    if (this.keys.size === 0 || !message.fields.redelivered) return false
    const key = keyOf(message)
    return key !== undefined && this.keys.delete(key)
  }
}
