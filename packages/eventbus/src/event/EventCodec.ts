/**
 * The platform's wire format: one JSON object per event, in snake_case.
 *
 * The fields of the event are checked by hand, which is twice as fast as renaming them
 * by a schema. The schema of the event type checks the payload. A refusal has a code and
 * never quotes a value, because error messages end in logs and headers.
 *
 * @since 0.1.0
 */

import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Content, Envelope } from "../broker/Envelope.ts"
import * as IsoTime from "../broker/IsoTime.ts"
import * as Priority from "../broker/Priority.ts"
import { EncodeFailed } from "../broker/PublishError.ts"
import * as Event from "./Event.ts"
import * as EventType from "./EventType.ts"
import * as JsonShape from "./internal/jsonShape.ts"
import * as Payload from "./internal/payload.ts"
import * as SchemaCodec from "./internal/schemaCodec.ts"
import * as Instant from "./internal/timestamp.ts"
import * as Utf8 from "./internal/utf8.ts"

/**
 * The reason why a body is not an event.
 *
 * @category errors
 * @since 0.1.0
 */
export class DecodeFailed extends Schema.TaggedError<DecodeFailed>("effect-eventbus/DecodeFailed")("DecodeFailed", {
  code: Schema.Literals([
    "TooLarge",
    "InvalidUtf8",
    "InvalidJson",
    "TooDeep",
    "ForbiddenKey",
    "InvalidEnvelope",
    "UnknownEventType",
    "FutureVersion",
    "PastVersion",
    "StepFailed",
    "InvalidPayload"
  ]),
  /** The problem and its place, never the value itself. */
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

const fail = (code: DecodeFailed["code"], detail: string) => Result.fail(new DecodeFailed({ code, detail }))

const utf8 = new TextDecoder("utf-8", { fatal: true })

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

const isRecord = (u: unknown): u is Readonly<Record<string, Schema.Json>> =>
  typeof u === "object" && u !== null && !Array.isArray(u)

const isAbsent = (u: unknown): u is null | undefined => u === undefined || u === null
const isOptionalString = (u: unknown) => isAbsent(u) || typeof u === "string"
const isUuid = (u: unknown) => typeof u === "string" && uuid.test(u)
const isOptionalUuid = (u: unknown) => isAbsent(u) || isUuid(u)
const isOptionalCount = (u: unknown) => isAbsent(u) || (Number.isSafeInteger(u) && Number(u) >= 0)

/** Returns the first invalid field of the event. */
const wrongField = (wire: Readonly<Record<string, unknown>>): string | undefined => {
  if (!isUuid(wire.event_id)) return "event_id"
  if (typeof wire.event_type !== "string" || wire.event_type === "") return "event_type"
  if (!isOptionalString(wire.source_agent_id)) return "source_agent_id"
  if (!isOptionalString(wire.source_service)) return "source_service"
  if (!isOptionalUuid(wire.trace_id)) return "trace_id"
  if (!isOptionalUuid(wire.execution_id)) return "execution_id"
  if (!isOptionalUuid(wire.parent_event_id)) return "parent_event_id"
  if (!isRecord(wire.payload)) return "payload"
  if (!isAbsent(wire.priority) && !Priority.isPriority(wire.priority)) return "priority"
  if (!isAbsent(wire.ttl_seconds) && !(Number.isFinite(wire.ttl_seconds) && Number(wire.ttl_seconds) >= 0))
    return "ttl_seconds"
  if (!isOptionalCount(wire.retry_count)) return "retry_count"
  if (!isOptionalCount(wire.max_retries)) return "max_retries"
}

const known = new Set([
  "event_id",
  "event_type",
  "timestamp",
  "source_agent_id",
  "source_service",
  "trace_id",
  "execution_id",
  "parent_event_id",
  "payload",
  "priority",
  "ttl_seconds",
  "retry_count",
  "max_retries"
])

const none: Schema.JsonObject = {}

const extensionsOf = (wire: Schema.JsonObject): Schema.JsonObject => {
  let extensions: Record<string, Schema.Json> | undefined
  for (const key in wire) {
    const value = wire[key]
    if (!known.has(key) && value !== undefined) (extensions ??= {})[key] = value
  }
  return extensions ?? none
}

const stringOr = (u: Schema.Json | undefined): string | undefined => (typeof u === "string" ? u : undefined)
const numberOr = <A>(u: Schema.Json | undefined, otherwise: A): number | A => (typeof u === "number" ? u : otherwise)

const notATime = `the field "timestamp" is missing or not a time as ISO 8601 and RFC 3339 write it: ${IsoTime.forms}`

const problems = {
  TooDeep: "the body is nested too deep",
  ForbiddenKey: "the body has a key that pollutes prototypes"
}

const parse = (body: Uint8Array): Result.Result<Schema.JsonObject, DecodeFailed> => {
  let text: string
  try {
    text = utf8.decode(body)
  } catch {
    return fail("InvalidUtf8", "the body is not UTF-8")
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return fail("InvalidJson", "the body is not JSON")
  }
  const problem = JsonShape.problem(json)
  if (problem !== undefined) return fail(problem, problems[problem])
  return isRecord(json) ? Result.succeed(json) : fail("InvalidEnvelope", "the body is not a JSON object")
}

/** Adds content type and encoding to a refusal, because they may be the reason for it. */
const writtenAs = (failure: DecodeFailed, { encoding, type }: Content): DecodeFailed => {
  const said = [...(type === undefined ? [] : [`as ${type}`]), ...(encoding === undefined ? [] : [`in ${encoding}`])]
  const { code, detail } = failure
  return said.length === 0
    ? failure
    : new DecodeFailed({ code, detail: `${detail}: it was published ${said.join(", ")}` })
}

/**
 * A decoder of envelopes, which reads the body and what the headers say about it. A body
 * alone is read as plain JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface Decoder<out E extends Event.Event> {
  (envelope: Pick<Envelope, "body" | "version" | "content"> | Uint8Array): Result.Result<E, DecodeFailed>
}

/**
 * Creates a decoder for the events of the given types. Without types it decodes any
 * event, with its payload as plain JSON.
 *
 * An event of an older version takes the step of its type, and comes out in the newest.
 * Without a version, the oldest one whose schema accepts the payload reads it.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decoder = <const Types extends ReadonlyArray<EventType.Any>>(types: Types): Decoder<Decoded<Types>> => {
  const byName = new Map(types.map((type) => [type.name, type]))
  const untyped = EventType.untyped("any")
  const decode: Decoder<Event.Event> = (envelope) => {
    const { body, content, version } = envelope instanceof Uint8Array ? { body: envelope } : envelope
    const parsed = parse(body)
    if (Result.isFailure(parsed)) {
      return Result.fail(content === undefined ? parsed.failure : writtenAs(parsed.failure, content))
    }
    const wire = parsed.success
    const wrong = wrongField(wire)
    if (wrong !== undefined) return fail("InvalidEnvelope", `the field "${wrong}" is missing or not what it must be`)
    const timestamp = typeof wire.timestamp === "string" ? Instant.parse(wire.timestamp) : undefined
    if (timestamp === undefined) return fail("InvalidEnvelope", notATime)
    const eventType = String(wire.event_type)
    const type = byName.size === 0 ? untyped : byName.get(eventType)
    if (type === undefined) return fail("UnknownEventType", "this subscription does not know the event's type")
    // A parsed payload is JSON already, so no schema has to check that.
    const payload = type === untyped ? Result.succeed(wire.payload) : Payload.decode(type, wire.payload, version)
    if (Result.isFailure(payload)) return fail(payload.failure.code, payload.failure.detail)
    const priority = wire.priority
    return Result.succeed({
      [Event.TypeId]: type,
      eventId: String(wire.event_id),
      eventType,
      timestamp,
      sourceAgentId: stringOr(wire.source_agent_id),
      sourceService: stringOr(wire.source_service),
      traceId: stringOr(wire.trace_id),
      executionId: stringOr(wire.execution_id),
      parentEventId: stringOr(wire.parent_event_id),
      payload: payload.success,
      priority: Priority.isPriority(priority) ? priority : "normal",
      ttlSeconds: numberOr(wire.ttl_seconds, undefined),
      retryCount: numberOr(wire.retry_count, 0),
      maxRetries: numberOr(wire.max_retries, Event.defaultMaxRetries),
      extensions: extensionsOf(wire)
    })
  }
  // The compiler does not know that the name of an event chose its type, whose schema has read the payload.
  return decode as Decoder<Decoded<Types>>
}

/**
 * The events that a list of types decodes to: any event if the list is empty.
 *
 * @category models
 * @since 0.1.0
 */
export type Decoded<Types extends ReadonlyArray<EventType.Any>> = Types extends readonly []
  ? Event.Event<string, Schema.JsonObject>
  : EventType.EventOf<Types[number]>

/**
 * Encodes the body of an event. It fails if the schema refuses the payload, or if no
 * decoder would accept the body.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (event: Event.Event): Result.Result<Uint8Array, EncodeFailed> => {
  const payload = SchemaCodec.refusable(() => event[Event.TypeId].encodePayload(event.payload))
  if (Result.isFailure(payload)) {
    return Result.fail(
      new EncodeFailed({
        detail: `the schema of ${event.eventType} refuses ${SchemaCodec.describe(payload.failure, "payload")}`
      })
    )
  }
  if (!isRecord(payload.success)) return Result.fail(new EncodeFailed({ detail: "the payload is not a JSON object" }))
  const timestamp = Instant.format(event.timestamp)
  const fields: Record<string, Schema.Json> = {
    event_id: event.eventId,
    event_type: event.eventType,
    timestamp,
    source_agent_id: event.sourceAgentId ?? null,
    source_service: event.sourceService ?? null,
    trace_id: event.traceId ?? null,
    execution_id: event.executionId ?? null,
    parent_event_id: event.parentEventId ?? null,
    payload: payload.success,
    priority: event.priority,
    ttl_seconds: event.ttlSeconds ?? null,
    retry_count: event.retryCount,
    max_retries: event.maxRetries
  }
  const hasExtensions = Object.keys(event.extensions).length > 0
  const wire = hasExtensions ? { ...event.extensions, ...fields } : fields
  const problem = JsonShape.problem(wire)
  if (problem !== undefined) return Result.fail(new EncodeFailed({ detail: problems[problem] }))
  // A year without four digits makes another length, and other services do not read it.
  const wrong = timestamp.length === 29 ? wrongField(wire) : "timestamp"
  if (wrong !== undefined)
    return Result.fail(new EncodeFailed({ detail: `the field "${wrong}" is not what it must be` }))
  return Result.succeed(Utf8.encode(JSON.stringify(wire)))
}

/**
 * The address for the reply to a request.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReplyAddress {
  readonly queue: string
  /** The id by which the requester knows the reply. */
  readonly correlationId: string
}

/**
 * Encodes an event as an envelope.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toEnvelope = (
  event: Event.Event,
  options: {
    readonly routingKey: string
    readonly persistent: boolean
    readonly traceparent: string | undefined
    /** The address for the reply to a request. Its responder drops it when it has expired: a broker would dead-letter it. */
    readonly replyTo?: ReplyAddress | undefined
  }
): Result.Result<Envelope, EncodeFailed> =>
  Result.map(encode(event), (body) => ({
    id: event.eventId,
    type: event.eventType,
    version: event[Event.TypeId].version,
    routingKey: options.routingKey,
    body,
    timestamp: DateTime.toEpochMillis(event.timestamp),
    source: event.sourceService,
    traceId: event.traceId,
    priority: event.priority,
    ttl:
      event.ttlSeconds === undefined || options.replyTo !== undefined ? undefined : Math.round(event.ttlSeconds * 1000),
    persistent: options.persistent,
    traceparent: options.traceparent,
    round: 0,
    attempt: undefined,
    origin: undefined,
    fault: undefined,
    ...(options.replyTo === undefined
      ? {}
      : { replyTo: options.replyTo.queue, correlationId: options.replyTo.correlationId })
  }))
