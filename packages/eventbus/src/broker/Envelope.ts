/**
 * An event as it travels: bytes, and what a broker needs to know of them.
 *
 * @since 0.1.0
 */

import type { Fault } from "./Fault.ts"
import * as JsonMember from "./internal/jsonMember.ts"
import type { Priority } from "./Priority.ts"

/**
 * Where an event was before it was retried or dead-lettered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Origin {
  /** The queue that gave it up, which is called as its subscription. */
  readonly queue: string
  /** What it was published to; `undefined` in memory. */
  readonly exchange: string | undefined
}

/**
 * An encoded event. Of one that another service published, only the routing key
 * and the body are certain.
 *
 * @category models
 * @since 0.1.0
 */
export interface Envelope {
  /** The event's id: a broker confirms, returns and deduplicates by it. */
  readonly id: string | undefined
  readonly type: string | undefined
  readonly version: number | undefined
  /** The key under which the event was first published. */
  readonly routingKey: string
  readonly body: Uint8Array
  /** When it happened, in milliseconds since 1970. */
  readonly timestamp: number | undefined
  readonly source: string | undefined
  readonly traceId: string | undefined
  readonly priority: Priority
  /** How long it may wait in a queue, in milliseconds. */
  readonly ttl: number | undefined
  /** Whether it outlives the broker's process. */
  readonly persistent: boolean
  /** https://www.w3.org/TR/trace-context/#traceparent-header */
  readonly traceparent: string | undefined
  /** How often it was taken out of the dead letters and delivered anew. */
  readonly round: number
  /** Which attempt of its queue this is, from 1; `undefined` where only the body knows. */
  readonly attempt: number | undefined
  /** Where it was retried or dead-lettered; `undefined` where it comes from its publisher. */
  readonly origin: Origin | undefined
  /** Why it was retried or dead-lettered. */
  readonly fault: Fault | undefined
}

const encoder = new TextEncoder()
/** A byte order mark is a part of the body, too. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/**
 * The envelope with another value, as JSON, of one member of its body, which must
 * be a JSON object. Every other byte is kept.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withMember = (self: Envelope, key: string, value: string): Envelope => ({
  ...self,
  body: encoder.encode(JsonMember.set(decoder.decode(self.body), key, value))
})

/**
 * The envelope for the next attempt: the body says so in `retry_count`, and is
 * otherwise kept byte by byte. It does not expire while it waits.
 *
 * @category combinators
 * @since 0.1.0
 */
export const retried = (
  self: Envelope,
  attempt: { readonly number: number; readonly retryCount: number; readonly fault: Fault | undefined }
): Envelope => ({
  ...withMember(self, "retry_count", `${attempt.retryCount}`),
  ttl: undefined,
  attempt: attempt.number,
  fault: attempt.fault
})

/**
 * The envelope for the dead letters: the same bytes, and why. The dead letters
 * count attempts anew.
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
 * The envelope of a dead letter for its queue, where it is delivered as if for the
 * first time. The body is the caller's to reset.
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
