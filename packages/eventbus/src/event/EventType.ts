/**
 * The type of an event as a value: a dotted name, the schema of the payload, and a
 * version. It creates events, and subscriptions select it.
 *
 * @since 0.1.0
 */

import type * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as RoutingKey from "../broker/RoutingKey.ts"
import * as Event from "./Event.ts"

/**
 * Marks an event type.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~effect-eventbus/EventType" as const

/**
 * A schema for payloads: it encodes to a JSON object, and needs no services.
 *
 * @category models
 * @since 0.1.0
 */
export type PayloadSchema = Schema.ConstraintCodec<unknown, object>

/**
 * The type of an event.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventType<out Name extends string, in out Payload extends PayloadSchema> extends Any {
  readonly name: Name
  readonly payload: Payload
  /** Creates an event of this type. It never fails: the schema checks the payload when you publish the event. */
  readonly event: (
    payload: Payload["Type"],
    options?: Event.Options
  ) => Effect.Effect<Event.Event<Name, Payload["Type"]>>
  readonly decodePayload: (json: unknown) => Result.Result<Payload["Type"], Schema.SchemaError>
}

/**
 * Any event type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any extends Event.Encoder {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly payload: PayloadSchema
  readonly decodePayload: (json: unknown) => Result.Result<unknown, Schema.SchemaError>
}

/**
 * The event that an event type creates.
 *
 * @category models
 * @since 0.1.0
 */
export type EventOf<T extends Any> =
  T extends EventType<infer Name, infer Payload> ? Event.Event<Name, Payload["Type"]> : never

/**
 * Returns whether a value is an event type.
 *
 * @category guards
 * @since 0.1.0
 */
export const isEventType = (u: unknown): u is Any => Predicate.hasProperty(u, TypeId)

const namePattern = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/

/**
 * Creates an event type.
 *
 * **Details**
 *
 * The payload is encoded in the canonical JSON form of its schema, so dates and big
 * integers work. `version` (default 1) travels with each event in a header.
 *
 * Throws a `RangeError` when the name is not dotted words of letters, digits, `_` and
 * `-`, or is too long for a routing key with a priority.
 *
 * **Example** (Creating an event type and an event)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { EventType } from "effect-eventbus"
 *
 * const InvoicePaid = EventType.make("invoice.paid", {
 *   payload: Schema.Struct({ invoiceId: Schema.String, cents: Schema.Int })
 * })
 *
 * await Effect.runPromise(InvoicePaid.event({ invoiceId: "i-1", cents: 1200 }, { priority: "high" }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Name extends string, Payload extends PayloadSchema>(
  name: Name,
  options: {
    readonly payload: Payload
    readonly version?: number | undefined
  }
): EventType<Name, Payload> => {
  if (!namePattern.test(name)) {
    throw new RangeError(
      `The name of an event type must be dotted words of letters, digits, "_" and "-", not "${name}"`
    )
  }
  RoutingKey.check(RoutingKey.make(name, "critical"))
  const version = options.version ?? 1
  if (!Number.isInteger(version) || version < 1) {
    throw new RangeError(`The version of "${name}" must be a whole number of at least 1, not ${version}`)
  }
  const codec = Schema.toCodecJson(options.payload)
  const self: EventType<Name, Payload> = {
    [TypeId]: TypeId,
    name,
    payload: options.payload,
    version,
    encodePayload: Schema.encodeUnknownResult(codec),
    decodePayload: Schema.decodeUnknownResult(codec),
    event: (payload, eventOptions) => Event.make(name, payload, self, eventOptions)
  }
  return self
}

/**
 * Creates an event type whose payload is any JSON object, as a subscription without
 * event types receives it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const untyped = <const Name extends string>(name: Name): EventType<Name, typeof Schema.JsonObject> =>
  make(name, { payload: Schema.JsonObject })
