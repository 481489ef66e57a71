/**
 * A row of the outbox: an envelope, and how it is published.
 *
 * @internal
 */

import type { Envelope } from "effect-eventbus/Envelope"
import * as Priority from "effect-eventbus/Priority"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** All of an envelope but what has a column: a new member needs no migration. */
const Headers = Schema.Struct({
  routingKey: Schema.String,
  version: Schema.optionalKey(Schema.Finite),
  timestamp: Schema.optionalKey(Schema.Finite),
  source: Schema.optionalKey(Schema.String),
  traceId: Schema.optionalKey(Schema.String),
  priority: Schema.Literals(Priority.all),
  ttl: Schema.optionalKey(Schema.Finite),
  dueAt: Schema.optionalKey(Schema.Finite),
  persistent: Schema.Boolean,
  traceparent: Schema.optionalKey(Schema.String),
  unroutable: Schema.Literals(["ignore", "fail"])
})

export type Headers = typeof Headers.Type

/** A row that waits to be inserted. */
export type NewRow = {
  readonly event_id: string
  readonly event_type: string
  readonly key: string | null
  readonly headers: string
  readonly body: Uint8Array
}

/** A row that a relay has claimed. */
export interface ClaimedRow {
  readonly seq: number
  readonly event_id: string
  readonly event_type: string
  readonly key: string | null
  readonly headers: string
  /** Null for a large body, which is read when its turn comes. */
  readonly body: Uint8Array | null
}

export const make = (
  envelope: Envelope,
  options: { readonly key: string | undefined; readonly unroutable: "ignore" | "fail" }
): NewRow => {
  const { body, id, persistent, priority, routingKey, source, timestamp, traceId, traceparent, ttl, type, version } =
    envelope
  // JSON leaves out what is undefined.
  const headers = { routingKey, version, timestamp, source, traceId, priority, ttl, persistent, traceparent }
  return {
    event_id: id ?? "",
    event_type: type ?? "",
    key: options.key ?? null,
    headers: JSON.stringify({ ...headers, unroutable: options.unroutable }),
    body
  }
}

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Headers))

export const headersOf = (row: Pick<ClaimedRow, "headers">): Result.Result<Headers, Schema.SchemaError> =>
  decode(row.headers)

export const toEnvelope = (
  row: ClaimedRow,
  headers: Headers,
  body: Uint8Array,
  traceparent: string | undefined
): Envelope => ({
  id: row.event_id,
  type: row.event_type,
  version: headers.version,
  routingKey: headers.routingKey,
  body,
  timestamp: headers.timestamp,
  source: headers.source,
  traceId: headers.traceId,
  priority: headers.priority,
  ttl: headers.ttl,
  dueAt: headers.dueAt,
  persistent: headers.persistent,
  traceparent,
  round: 0,
  attempt: undefined,
  origin: undefined,
  fault: undefined
})
