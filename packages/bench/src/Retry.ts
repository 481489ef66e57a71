/**
 * A failed event on its way to the queue in which it waits, as the bus sends it.
 *
 * @since 0.1.0
 */

import { hostname } from "node:os"
import type { Options } from "amqplib"
import type { BenchTopology } from "./BenchTopology.ts"
import * as SampleEvent from "./SampleEvent.ts"

const stack = new Error("not now").stack
/** As long as that of a real failure. */
const fingerprint = "0123456789ab"
const host = hostname()

/**
 * The state of an event that has failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failed {
  readonly wire: SampleEvent.Wire
  readonly id: string
  /** In seconds, as AMQP has it. */
  readonly timestamp: number
  readonly routingKey: string
  readonly attempt: number
}

/**
 * Reads which attempt a message is from its headers.
 *
 * @category decoding
 * @since 0.1.0
 */
export const attemptOf = (headers: Readonly<Record<string, unknown>> | undefined): number =>
  Number(headers?.["eb-attempt"] ?? 1)

/**
 * The message that comes back after a while.
 *
 * @category encoding
 * @since 0.1.0
 */
export const make = (
  { attempt, id, routingKey, timestamp, wire }: Failed,
  { exchange }: BenchTopology,
  queue: BenchTopology["queues"][number]
): { readonly content: Buffer; readonly properties: Options.Publish } => {
  const failedAt = new Date().toISOString()
  const properties = SampleEvent.properties(id, timestamp * 1000)
  return {
    content: Buffer.from(JSON.stringify({ ...wire, retry_count: wire.retry_count + 1 })),
    properties: {
      ...properties,
      expiration: "60010",
      headers: {
        ...properties.headers,
        "eb-attempt": attempt + 1,
        "eb-routing-key": routingKey,
        "eb-exchange": exchange,
        "eb-queue": queue.name,
        "eb-reason": "NotNow",
        "eb-message": "not now",
        "eb-stack": stack,
        "eb-fingerprint": fingerprint,
        "eb-host": host,
        "eb-attempts": attempt,
        "eb-first-failed-at": failedAt,
        "eb-last-failed-at": failedAt
      }
    }
  }
}
