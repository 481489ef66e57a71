/**
 * An event: something that happened, as data.
 *
 * The platform defines the thirteen fields. On the wire they are snake_case JSON, which
 * services in other languages read. Here they are camelCase. Unknown fields are kept in
 * `extensions`, and are encoded again unchanged.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Priority } from "../broker/Priority.ts"
import * as Correlation from "./Correlation.ts"
import * as Instant from "./internal/timestamp.ts"

/**
 * Marks an event, and holds the encoder of its payload.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~effect-eventbus/Event" as const

/**
 * The encoder of an event's payload: the event's type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Encoder {
  readonly version: number
  readonly encodePayload: (payload: unknown) => Result.Result<Schema.Json, Schema.SchemaError>
}

/**
 * An event of the type `Type`, with a payload of type `Payload`.
 *
 * A union of events narrows by `eventType`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Event<out Type extends string = string, out Payload = unknown> {
  readonly [TypeId]: Encoder
  readonly eventId: string
  readonly eventType: Type
  readonly timestamp: DateTime.Utc
  readonly sourceAgentId: string | undefined
  readonly sourceService: string | undefined
  readonly traceId: string | undefined
  readonly executionId: string | undefined
  readonly parentEventId: string | undefined
  readonly payload: Payload
  readonly priority: Priority
  /** Seconds that the event may wait in a queue before it expires. */
  readonly ttlSeconds: number | undefined
  /** The number of retries so far: 0 on the first attempt. */
  readonly retryCount: number
  /** The number of retries that the event asks for, which `FailurePolicy.retryUpToMax` follows. */
  readonly maxRetries: number
  /** The fields of the body that are not among the thirteen. */
  readonly extensions: Schema.JsonObject
}

/**
 * Options of a new event, other than its payload.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Default: a random UUID. */
  readonly eventId?: string | undefined
  /** Default: now. */
  readonly timestamp?: DateTime.Utc | undefined
  readonly sourceAgentId?: string | undefined
  readonly sourceService?: string | undefined
  /** Default: the trace of the event being handled, if any. */
  readonly traceId?: string | undefined
  /** Default: the execution of the event being handled, if any. */
  readonly executionId?: string | undefined
  /** Default: the event being handled, if any. */
  readonly parentEventId?: string | undefined
  /** Default: `normal`. */
  readonly priority?: Priority | undefined
  /** Default: the event never expires. */
  readonly ttlSeconds?: number | undefined
  /** Default: 3. */
  readonly maxRetries?: number | undefined
}

/**
 * The default of `maxRetries`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const defaultMaxRetries = 3

/**
 * Creates an event with the current time and the current correlation. `EventType`
 * values call it: use their `event`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Type extends string, Payload>(
  eventType: Type,
  payload: Payload,
  encoder: Encoder,
  options: Options = {}
): Effect.Effect<Event<Type, Payload>> =>
  Effect.withFiberSucceed((fiber) => {
    const correlation = fiber.getRef(Correlation.Current)
    return {
      [TypeId]: encoder,
      eventId: options.eventId ?? crypto.randomUUID(),
      eventType,
      timestamp: options.timestamp ?? Instant.fromMillis(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()),
      sourceAgentId: options.sourceAgentId,
      sourceService: options.sourceService,
      traceId: options.traceId ?? correlation.traceId,
      executionId: options.executionId ?? correlation.executionId,
      parentEventId: options.parentEventId ?? correlation.parentEventId,
      payload,
      priority: options.priority ?? "normal",
      ttlSeconds: options.ttlSeconds,
      retryCount: 0,
      maxRetries: options.maxRetries ?? defaultMaxRetries,
      extensions: {}
    }
  })

/**
 * Returns the correlation that the events caused by this one inherit.
 *
 * @category getters
 * @since 0.1.0
 */
export const toCorrelation = (event: Event): Correlation.Correlation => ({
  traceId: event.traceId,
  executionId: event.executionId,
  parentEventId: event.eventId
})

/**
 * Fills the missing links of an event from a correlation. An event never becomes its
 * own parent, so a handler may publish the handled event again.
 *
 * @category combinators
 * @since 0.1.0
 */
export const correlate = <E extends Event>(event: E, correlation: Correlation.Correlation): E => {
  if (correlation === Correlation.none || correlation.parentEventId === event.eventId) return event
  const traceId = event.traceId ?? correlation.traceId
  const executionId = event.executionId ?? correlation.executionId
  const parentEventId = event.parentEventId ?? correlation.parentEventId
  return traceId === event.traceId && executionId === event.executionId && parentEventId === event.parentEventId
    ? event
    : { ...event, traceId, executionId, parentEventId }
}
