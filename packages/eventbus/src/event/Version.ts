/**
 * Steps by which the payloads of older versions of an event type become payloads of its
 * newest version.
 *
 * @since 0.1.0
 */

import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * A schema for payloads: it encodes to a JSON object, and needs no services.
 *
 * @category models
 * @since 0.1.0
 */
export type PayloadSchema = Schema.ConstraintCodec<unknown, object>

/**
 * The way from an older version of a payload to a `New`, the newest one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step<out New> {
  /** The schema of the older payload. */
  readonly payload: PayloadSchema
  /** Decodes the older payload. The function that it returns makes the newest payload, and may throw. */
  readonly decode: (json: unknown) => Result.Result<() => New, Schema.SchemaError>
}

/**
 * Creates a step from the schema of an older version, and a function that makes the
 * newest payload.
 *
 * **Details**
 *
 * The step leads to the newest version at once, so that an event takes one step, however
 * old it is. The function runs each time that the event is delivered, so it must be pure:
 * it has no clock and no services. What it makes is checked by the schema of the newest
 * version. If it throws, or if that schema refuses what it makes, the event becomes a
 * dead letter with the reason `StepFailed`.
 *
 * **Example** (Reading amounts that were in euros)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { EventType, Version } from "effect-eventbus"
 *
 * const InvoicePaid = EventType.make("invoice.paid", {
 *   version: 2,
 *   payload: Schema.Struct({ invoiceId: Schema.String, cents: Schema.Int }),
 *   from: {
 *     1: Version.step(Schema.Struct({ id: Schema.String, euros: Schema.Finite }), (old) => ({
 *       invoiceId: old.id,
 *       cents: Math.round(old.euros * 100)
 *     }))
 *   }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const step = <Old extends PayloadSchema, New>(payload: Old, up: (old: Old["Type"]) => New): Step<New> => {
  const decode = Schema.decodeUnknownResult(Schema.toCodecJson(payload))
  return { payload, decode: (json) => Result.map(decode(json), (old) => () => up(old)) }
}
