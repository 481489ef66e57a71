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
import type * as Version from "./Version.ts"

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
export type PayloadSchema = Version.PayloadSchema

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
  /** Decodes a payload of the newest version. */
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
  /** The steps from older versions, the oldest first. */
  readonly from: ReadonlyMap<number, Version.Step<unknown>>
  /** The versions that it reads beside its own and those that have a step: none, or every newer one. */
  readonly accept: "known" | "newer"
  /** Decodes a payload of the newest version. */
  readonly decodePayload: (json: unknown) => Result.Result<unknown, Schema.SchemaError>
  /** Checks a decoded payload of the newest version. */
  readonly checkPayload: (payload: unknown) => Result.Result<unknown, Schema.SchemaError>
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

/**
 * Options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Payload extends PayloadSchema> {
  readonly payload: Payload
  /** The version of the payload, from 1. Default: 1. */
  readonly version?: number | undefined
  /** The steps from older versions, by their numbers. Default: none. */
  readonly from?: Readonly<Record<number, Version.Step<NoInfer<Payload["Type"]>>>> | undefined
  /** Whether only known versions are read, or every newer one by the schema of this version, too. Default: `known`. */
  readonly accept?: "known" | "newer" | undefined
}

/** Returns the steps in the order of their versions, which have no gap up to the version of the type. */
const stepsOf = <New>(
  name: string,
  version: number,
  from: Readonly<Record<number, Version.Step<New>>>
): ReadonlyMap<number, Version.Step<New>> => {
  const entries = Object.entries(from).map(([key, step]) => [Number(key), step] as const)
  const steps = new Map(entries.toSorted(([a], [b]) => a - b))
  for (const key of steps.keys()) {
    if (!Number.isInteger(key) || key < 1 || key >= version) {
      throw new RangeError(
        `A step of "${name}" must be from a version below its own, which is ${version}: a whole number from 1, not ${key}`
      )
    }
  }
  const [oldest = version] = steps.keys()
  for (let key = oldest; key < version; key++) {
    if (!steps.has(key)) {
      throw new RangeError(`"${name}" has a step from version ${oldest}, and so needs one from version ${key}, too`)
    }
  }
  return steps
}

const namePattern = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/

/**
 * Creates an event type.
 *
 * **Details**
 *
 * The payload is encoded in the canonical JSON form of its schema, so dates and big
 * integers work. `version` (default 1) travels with each event in a header.
 *
 * `from` has a step for each older version that queues and dead letters may still hold.
 * Handlers see the newest version only, and the bytes stay as they were published. An
 * event without a version in its headers is read by the oldest version that accepts its
 * payload. Without `from`, the schema reads all older versions itself.
 *
 * An event of a version that the type does not know becomes a dead letter at once, with
 * the reason `FutureVersion` or `PastVersion`. `accept: "newer"` says that newer versions
 * only add fields, so that the schema of this version reads them, too. Default: `known`.
 *
 * Throws a `RangeError` when the name is not dotted words of letters, digits, `_` and
 * `-`, or is too long for a routing key with a priority. It also throws one when a step
 * is not from a version below `version`, and when a version between the oldest step and
 * `version` has none.
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
  options: Options<Payload>
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
    from: stepsOf(name, version, options.from ?? {}),
    accept: options.accept ?? "known",
    encodePayload: Schema.encodeUnknownResult(codec),
    decodePayload: Schema.decodeUnknownResult(codec),
    checkPayload: Schema.decodeUnknownResult(Schema.toType(options.payload)),
    event: (payload, eventOptions) => Event.make(name, payload, self, eventOptions)
  }
  return self
}

/**
 * Creates an event type whose payload is any JSON object, as a subscription without
 * event types receives it. It accepts every version.
 *
 * @category constructors
 * @since 0.1.0
 */
export const untyped = <const Name extends string>(name: Name): EventType<Name, typeof Schema.JsonObject> =>
  make(name, { payload: Schema.JsonObject, accept: "newer" })
