/**
 * An encoded event: its bytes, and the properties that a broker needs.
 *
 * @since 0.1.0
 */

import type { Fault } from "./Fault.ts"
import * as JsonMember from "./internal/jsonMember.ts"
import type { Priority } from "./Priority.ts"

/**
 * The queue and exchange of an event before it was retried or dead-lettered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Origin {
  /** The queue that retried or dead-lettered it: the name of the subscription. */
  readonly queue: string
  /** The exchange that it was published to. `undefined` in memory. */
  readonly exchange: string | undefined
}

/**
 * The format of a body, as its publisher declared it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Content {
  /** Such as `application/vnd.acme.v2+json`. */
  readonly type: string | undefined
  /** Such as `gzip`. */
  readonly encoding: string | undefined
}

/**
 * An encoded event. When another service published it, only the routing key and the
 * body are certain to be there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Envelope {
  /** The event's id, by which a broker confirms, returns and deduplicates it. */
  readonly id: string | undefined
  readonly type: string | undefined
  readonly version: number | undefined
  /** The key under which the event was first published. */
  readonly routingKey: string
  readonly body: Uint8Array
  /** The declared format of the body, if it is not plain `application/json`. It stays with the bytes wherever they go. */
  readonly content?: Content | undefined
  /** The attributes of a CloudEvent whose body is its data. They stay with the bytes wherever they go. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** The event's timestamp, in milliseconds since 1970. */
  readonly timestamp: number | undefined
  readonly source: string | undefined
  readonly traceId: string | undefined
  readonly priority: Priority
  /** The priority that another client gave it, if it is none of the four: a number, or no priority at all. It stays as it is. */
  readonly foreignPriority?: number | "none" | undefined
  /** The longest time that the event may wait in a queue, in milliseconds. */
  readonly ttl: number | undefined
  /** The time at which a delayed event was due, in milliseconds since 1970. `undefined`: it was not delayed. */
  readonly dueAt?: number | undefined
  /** Whether the event survives a restart of the broker. */
  readonly persistent: boolean
  /** https://www.w3.org/TR/trace-context/#traceparent-header */
  readonly traceparent: string | undefined
  /** The queue that the reply to a request goes to. */
  readonly replyTo?: string | undefined
  /** The id by which a requester knows the reply to its request: on a request, and on its reply. */
  readonly correlationId?: string | undefined
  /** The number of times that the event was replayed from the dead letters. */
  readonly round: number
  /** The number of this attempt in its queue, from 1. `undefined`: only the body says it. */
  readonly attempt: number | undefined
  /** The origin of a retried or dead-lettered event. `undefined` when it comes from its publisher. */
  readonly origin: Origin | undefined
  /** The failure for which the event was retried or dead-lettered. */
  readonly fault: Fault | undefined
  /**
   * The key by which a subscription keeps its events in order: on a dead letter, and on the
   * copy of one that asks for the dead letters of its key.
   */
  readonly key?: string | undefined
  /** The id of the dead letter that this one waits for, because it has the same key. */
  readonly behind?: string | undefined
  /** Its place among the dead letters of its key. A process that is killed while it looks at them may mix them up. */
  readonly place?: number | undefined
}

const encoder = new TextEncoder()
/** Keeps a byte order mark, which is part of the body. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/**
 * Returns the JSON text of one member of the body, as its publisher wrote it. The body
 * must be a JSON object.
 *
 * @category getters
 * @since 0.1.0
 */
export const member = (self: Envelope, key: string): string | undefined =>
  JsonMember.get(decoder.decode(self.body), key)

/**
 * Sets one member of the body to a JSON value. The body must be a JSON object. Every
 * other byte is kept.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withMember = (self: Envelope, key: string, value: string): Envelope => ({
  ...self,
  body: encoder.encode(JsonMember.set(decoder.decode(self.body), key, value))
})

/**
 * Returns the envelope for the next attempt. The body counts it in `retry_count`, and
 * is otherwise kept byte by byte. The envelope does not expire while it waits.
 *
 * @category combinators
 * @since 0.1.0
 */
export const retried = (
  self: Envelope,
  attempt: { readonly number: number; readonly retryCount: number; readonly fault: Fault | undefined }
): Envelope => {
  const { content, ...envelope } = withMember(self, "retry_count", `${attempt.retryCount}`)
  // It was decoded as JSON, so it is JSON even if its publisher did not declare it.
  const isUnsaid = content?.type === undefined && content?.encoding === undefined
  return {
    ...envelope,
    ...(isUnsaid ? {} : { content }),
    ttl: undefined,
    attempt: attempt.number,
    fault: attempt.fault
  }
}

/**
 * Returns the envelope for the dead letters: the same bytes, with the fault. Attempts
 * start again at 1.
 *
 * @category combinators
 * @since 0.1.0
 */
export const deadLettered = (self: Envelope, fault: Fault | undefined): Envelope => ({
  ...self,
  ttl: undefined,
  persistent: true,
  attempt: 1,
  fault: fault ?? self.fault
})

/**
 * Returns the envelope that delivers a dead letter to its queue as on a first attempt.
 * It does not change the body.
 *
 * @category combinators
 * @since 0.1.0
 */
export const replayed = (self: Envelope): Envelope => ({
  ...self,
  ttl: undefined,
  attempt: 1,
  round: self.round + 1,
  fault: undefined
})
