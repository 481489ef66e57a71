/**
 * An event as it travels: bytes, and what a broker needs to know of them.
 *
 * @since 0.1.0
 */

import type { Fault } from "./Fault.ts"
import { setNumber } from "./internal/jsonMember.ts"
import type { Priority } from "./Priority.ts"

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
  /** Which attempt of its queue this is, from 1; `undefined` where only the body knows. */
  readonly attempt: number | undefined
  /** Why it was retried or dead-lettered. */
  readonly fault: Fault | undefined
}

const encoder = new TextEncoder()
/** A byte order mark is a part of the body, too. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

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
  ...self,
  body: encoder.encode(setNumber(decoder.decode(self.body), "retry_count", attempt.retryCount)),
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
