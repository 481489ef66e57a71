/**
 * The event that every contestant publishes and handles, and its wire format for
 * contestants without the bus.
 *
 * @since 0.1.0
 */

import { randomUUID } from "node:crypto"
import type { Options } from "amqplib"
import * as EventType from "effect-eventbus/EventType"
import * as Request from "effect-eventbus/Request"
import * as Schema from "effect/Schema"
import type { Scenario } from "./Scenario.ts"

/**
 * The event type, for contestants that use the bus.
 *
 * @category constructors
 * @since 0.1.0
 */
export const SampleEvent = EventType.make("bench.order", {
  payload: Schema.Struct({
    number: Schema.Int,
    customer: Schema.String,
    /** The time of the publish, in milliseconds since this process started. */
    sentAt: Schema.Finite,
    lines: Schema.Array(Schema.Struct({ sku: Schema.String, quantity: Schema.Int, cents: Schema.Int })),
    note: Schema.String
  })
})

/**
 * The same as a request, which is answered by the sum of an order.
 *
 * @category constructors
 * @since 0.1.0
 */
export const SampleRequest = Request.make("bench.order", {
  payload: SampleEvent.payload,
  success: Schema.Struct({ cents: Schema.Int })
})

/**
 * Returns the answer to a request.
 *
 * @category getters
 * @since 0.1.0
 */
export const answer = ({ lines }: Payload): { readonly cents: number } => ({
  cents: lines.reduce((sum, { cents, quantity }) => sum + cents * quantity, 0)
})

/**
 * The payload of a sample event.
 *
 * @category models
 * @since 0.1.0
 */
export type Payload = (typeof SampleEvent.payload)["Type"]

const lines = [
  { sku: "tea-green", quantity: 2, cents: 450 },
  { sku: "tea-black", quantity: 1, cents: 390 },
  { sku: "cup-white", quantity: 4, cents: 1200 }
]

const withNote = (number: number, note: string): Payload => ({
  number,
  customer: "c-1045",
  sentAt: performance.now(),
  lines,
  note
})

/**
 * Makes payloads of about the given number of bytes of JSON.
 *
 * @category constructors
 * @since 0.1.0
 */
export const payloads = (bytes: number): ((number: number) => Payload) => {
  const note = "n".repeat(Math.max(0, bytes - JSON.stringify(withNote(0, "")).length))
  return (number) => withNote(number, note)
}

/**
 * Encodes a payload as the message body that the bus would write.
 *
 * @category encoding
 * @since 0.1.0
 */
export const body = (
  payload: Payload,
  ttlSeconds: number | null = null
): { readonly id: string; readonly timestamp: number; readonly content: Buffer } => {
  const id = randomUUID()
  const timestamp = Date.now()
  const wire = {
    event_id: id,
    event_type: SampleEvent.name,
    timestamp: `${new Date(timestamp).toISOString().slice(0, -1)}+00:00`,
    source_agent_id: null,
    source_service: null,
    trace_id: null,
    execution_id: null,
    parent_event_id: null,
    payload,
    priority: "normal",
    ttl_seconds: ttlSeconds,
    retry_count: 0,
    max_retries: 3
  }
  return { id, timestamp, content: Buffer.from(JSON.stringify(wire)) }
}

/**
 * Returns the properties that the bus publishes an event with, as amqplib takes them.
 *
 * @category encoding
 * @since 0.1.0
 */
export const properties = (id: string, timestamp: number): Options.Publish => ({
  mandatory: true,
  persistent: true,
  messageId: id,
  contentType: "application/json",
  priority: 4,
  headers: { "eb-version": 1 },
  type: SampleEvent.name,
  timestamp: Math.floor(timestamp / 1000)
})

/**
 * The part of a message body that contestants without the bus need.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wire {
  readonly payload: Payload
  readonly timestamp: string
  readonly ttl_seconds: number | null
  readonly retry_count: number
}

/**
 * Parses a message body without validating it.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (content: Uint8Array): Wire =>
  JSON.parse(Buffer.from(content.buffer, content.byteOffset, content.length).toString())

/**
 * Returns the routing key of an event: the key of its type, or in turn a key for each
 * of the patterns that the scenario binds queues with.
 *
 * @category encoding
 * @since 0.1.0
 */
export const routingKey = ({ patterns, queues }: Scenario, number: number): string => {
  if (patterns * queues === 1) return `${SampleEvent.name}.normal`
  return `${SampleEvent.name}.${number % queues}.${Math.floor(number / queues) % patterns}.normal`
}

/**
 * Returns the key of an event: one of those of the scenario, in turn.
 *
 * @category encoding
 * @since 0.1.0
 */
export const keyOf = ({ keys }: Scenario, { number }: Payload): string => `k${number % keys}`

/**
 * Returns the patterns that bind one of the scenario's queues.
 *
 * @category encoding
 * @since 0.1.0
 */
export const patterns = ({ patterns, queues }: Scenario, queue: number): ReadonlyArray<string> =>
  patterns * queues === 1
    ? [`${SampleEvent.name}.*`]
    : Array.from({ length: patterns }, (_, pattern) => `${SampleEvent.name}.${queue}.${pattern}.*`)
