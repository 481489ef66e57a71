/**
 * The event that every contestant moves, and what it is on the wire where no bus
 * makes it.
 *
 * @since 0.1.0
 */

import { randomUUID } from "node:crypto"
import type { Options } from "amqplib"
import * as EventType from "effect-eventbus/EventType"
import * as Schema from "effect/Schema"
import type { Scenario } from "./Scenario.ts"

/**
 * The event's type, for those who have a use for one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const Order = EventType.make("bench.order", {
  payload: Schema.Struct({
    number: Schema.Int,
    customer: Schema.String,
    /** When it was published, in milliseconds of this process. */
    sentAt: Schema.Finite,
    lines: Schema.Array(Schema.Struct({ sku: Schema.String, quantity: Schema.Int, cents: Schema.Int })),
    note: Schema.String
  })
})

/**
 * What an order says.
 *
 * @category models
 * @since 0.1.0
 */
export type Payload = (typeof Order.payload)["Type"]

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
 * Makes payloads of about so many bytes of JSON.
 *
 * @category constructors
 * @since 0.1.0
 */
export const payloads = (bytes: number): ((number: number) => Payload) => {
  const note = "n".repeat(Math.max(0, bytes - JSON.stringify(withNote(0, "")).length))
  return (number) => withNote(number, note)
}

/**
 * The body of an order, as the bus writes it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const body = (
  payload: Payload
): { readonly id: string; readonly timestamp: number; readonly content: Buffer } => {
  const id = randomUUID()
  const timestamp = Date.now()
  const wire = {
    event_id: id,
    event_type: Order.name,
    timestamp: `${new Date(timestamp).toISOString().slice(0, -1)}+00:00`,
    source_agent_id: null,
    source_service: null,
    trace_id: null,
    execution_id: null,
    parent_event_id: null,
    payload,
    priority: "normal",
    ttl_seconds: null,
    retry_count: 0,
    max_retries: 3
  }
  return { id, timestamp, content: Buffer.from(JSON.stringify(wire)) }
}

/**
 * The properties that the bus publishes an order with, in amqplib's words.
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
  type: Order.name,
  timestamp: Math.floor(timestamp / 1000)
})

/**
 * What any contestant but the bus needs of a body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wire {
  readonly payload: Payload
  readonly retry_count: number
}

/**
 * Reads a body without a look at what it says.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (content: Uint8Array): Wire =>
  JSON.parse(Buffer.from(content.buffer, content.byteOffset, content.length).toString())

/**
 * The routing key of an order: under the type's own, or under one of the patterns
 * that the scenario binds queues by, in turn.
 *
 * @category encoding
 * @since 0.1.0
 */
export const routingKey = ({ patterns, queues }: Scenario, number: number): string => {
  if (patterns * queues === 1) return `${Order.name}.normal`
  return `${Order.name}.${number % queues}.${Math.floor(number / queues) % patterns}.normal`
}

/**
 * The patterns by which one of the scenario's queues is bound.
 *
 * @category encoding
 * @since 0.1.0
 */
export const patterns = ({ patterns, queues }: Scenario, queue: number): ReadonlyArray<string> =>
  patterns * queues === 1
    ? [`${Order.name}.*`]
    : Array.from({ length: patterns }, (_, pattern) => `${Order.name}.${queue}.${pattern}.*`)
