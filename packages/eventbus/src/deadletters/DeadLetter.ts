/**
 * A dead letter: an event that could not be handled, with its fault.
 *
 * @since 0.1.0
 */

import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Envelope from "../broker/Envelope.ts"
import { digest } from "../broker/internal/fnv1a.ts"
import * as IsoTime from "../broker/IsoTime.ts"
import * as Priority from "../broker/Priority.ts"
import { EncodeFailed } from "../broker/PublishError.ts"
import * as EventCodec from "../event/EventCodec.ts"
import type * as EventType from "../event/EventType.ts"

/**
 * A dead letter. The `fault` of its envelope says why it is one. `undefined`: it has no
 * recorded fault.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetter {
  /** The event's id, or a hash of the body when it has none. */
  readonly id: string
  /** The event's type, if known. */
  readonly type: string | undefined
  readonly envelope: Envelope.Envelope
}

const decode = EventCodec.decoder([])
/** The number of bytes that suffice to tell bodies apart. */
const maxDigested = 64 * 1024

/**
 * Creates a dead letter from its envelope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromEnvelope = (envelope: Envelope.Envelope): DeadLetter => {
  const { id, type } = envelope
  if (id !== undefined && type !== undefined) return { id, type, envelope }
  const event = Result.getOrUndefined(decode(envelope))
  return {
    id: id ?? event?.eventId ?? `body-${digest(envelope.body.subarray(0, maxDigested))}`,
    type: type ?? event?.eventType,
    envelope
  }
}

/**
 * Returns the envelope that delivers a dead letter to its queue again, as on a first
 * attempt. The attempt and the body's `retry_count` start again, and the round is
 * counted. Every other byte is kept. A body that is not an event is kept as it is.
 *
 * @category combinators
 * @since 0.1.0
 */
export const replayed = ({ envelope }: DeadLetter): Envelope.Envelope => {
  const retryCount = Result.getOrUndefined(decode(envelope))?.retryCount ?? 0
  return Envelope.replayed(retryCount === 0 ? envelope : Envelope.withMember(envelope, "retry_count", "0"))
}

/** Returns the text of a payload, or `undefined` for a text that is not JSON. */
const jsonOf = (payload: Schema.JsonObject | string): string | undefined => {
  if (typeof payload !== "string") return JSON.stringify(payload)
  try {
    JSON.parse(payload)
    return payload
  } catch {
    return undefined
  }
}

/**
 * Replaces the payload of a dead letter, in its JSON form or as JSON text. A text is kept as
 * it is, with all digits of its numbers. Fails when the schema of the type refuses the
 * payload, when the event has another type, or when the body is not an event. Every other
 * byte is kept.
 *
 * @category combinators
 * @since 0.1.0
 */
export const edited = (
  letter: DeadLetter,
  payload: Schema.JsonObject | string,
  type?: EventType.Any | undefined
): Result.Result<DeadLetter, EncodeFailed> => {
  const fail = (detail: string) => Result.fail(new EncodeFailed({ detail }))
  const event = decode(letter.envelope)
  if (Result.isFailure(event)) return fail(`it is not an event: ${event.failure.detail}`)
  const { eventType } = event.success
  if (type !== undefined && type.name !== eventType) return fail(`its type is ${eventType}, not ${type.name}`)
  const json = jsonOf(payload)
  if (json === undefined) return fail("the payload is not JSON")
  const envelope = Envelope.withMember(letter.envelope, "payload", json)
  const result = (type === undefined ? decode : EventCodec.decoder([type]))(envelope)
  return Result.isFailure(result) ? fail(result.failure.detail) : Result.succeed({ ...letter, envelope })
}

const Time = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text) => IsoTime.parse(text) !== undefined || `Expected a time: ${IsoTime.forms}`)),
  Schema.decodeTo(
    Schema.Finite,
    SchemaTransformation.transform({
      decode: (text) => IsoTime.parse(text) ?? Number.NaN,
      encode: IsoTime.format
    })
  )
)

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const Fault = Schema.Struct({
  reason: Schema.String,
  message: Schema.String,
  stack: Schema.optional(Schema.String),
  fingerprint: Schema.String,
  host: Schema.optional(Schema.String),
  attempts: Count,
  firstFailedAt: Time,
  lastFailedAt: Time
}).pipe(Schema.encodeKeys({ firstFailedAt: "first_failed_at", lastFailedAt: "last_failed_at" }))

/**
 * The schema of a dead letter as plain data, such as a line of NDJSON. The body is text,
 * or `body_base64` when it is not UTF-8.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Json = Schema.Struct({
  id: Schema.optional(Schema.String),
  type: Schema.optional(Schema.String),
  version: Schema.optional(Count),
  routingKey: Schema.String,
  timestamp: Schema.optional(Time),
  source: Schema.optional(Schema.String),
  traceId: Schema.optional(Schema.String),
  priority: Schema.Literals(Priority.all),
  foreignPriority: Schema.optional(
    Schema.Union([Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })), Schema.Literal("none")])
  ),
  traceparent: Schema.optional(Schema.String),
  round: Count,
  key: Schema.optional(Schema.String),
  behind: Schema.optional(Schema.String),
  place: Schema.optional(Count),
  content: Schema.optional(
    Schema.Struct({ type: Schema.optional(Schema.String), encoding: Schema.optional(Schema.String) })
  ),
  attributes: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  queue: Schema.optional(Schema.String),
  exchange: Schema.optional(Schema.String),
  fault: Schema.optional(Fault),
  text: Schema.optional(Schema.String),
  bytes: Schema.optional(Schema.Uint8ArrayFromBase64)
}).pipe(
  Schema.encodeKeys({
    routingKey: "routing_key",
    traceId: "trace_id",
    foreignPriority: "foreign_priority",
    text: "body",
    bytes: "body_base64"
  }),
  Schema.check(Schema.makeFilter(({ bytes, text }) => (bytes === undefined) !== (text === undefined)))
)

const encoder = new TextEncoder()
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const textOf = (body: Uint8Array): string | undefined => {
  try {
    return utf8.decode(body)
  } catch {
    return undefined
  }
}

/**
 * Converts a dead letter to plain data, from which `fromJson` restores it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toJson = ({ envelope }: DeadLetter): typeof Json.Encoded => {
  const text = textOf(envelope.body)
  return Schema.encodeSync(Json)({
    ...envelope,
    ...envelope.origin,
    text,
    bytes: text === undefined ? envelope.body : undefined
  })
}

const decodeJson = Schema.decodeUnknownResult(Json)

/**
 * Restores a dead letter from plain data.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromJson = (json: unknown): Result.Result<DeadLetter, Schema.SchemaError> =>
  Result.map(decodeJson(json), ({ attributes, bytes, content, fault, text, ...json }) =>
    fromEnvelope({
      id: json.id,
      type: json.type,
      version: json.version,
      routingKey: json.routingKey,
      body: bytes ?? encoder.encode(text),
      ...(content === undefined ? {} : { content: { type: content.type, encoding: content.encoding } }),
      ...(attributes === undefined ? {} : { attributes }),
      timestamp: json.timestamp,
      source: json.source,
      traceId: json.traceId,
      priority: json.priority,
      ...(json.foreignPriority === undefined ? {} : { foreignPriority: json.foreignPriority }),
      ttl: undefined,
      persistent: true,
      traceparent: json.traceparent,
      round: json.round,
      ...(json.key === undefined ? {} : { key: json.key, behind: json.behind, place: json.place }),
      attempt: 1,
      origin: json.queue === undefined ? undefined : { queue: json.queue, exchange: json.exchange },
      fault: fault === undefined ? undefined : { ...fault, stack: fault.stack, host: fault.host }
    })
  )
