/**
 * A transform of payloads: bytes on their way to the broker, and back.
 *
 * @since 0.1.0
 */

import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * The message that a payload belongs to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly id: string | undefined
  readonly type: string | undefined
}

/**
 * The parameters that a transform needs to undo its work. They travel with the message, and are not
 * secret.
 *
 * @category models
 * @since 0.1.0
 */
export type Parameters = Readonly<Record<string, string | number>>

/**
 * A sealed payload.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sealed {
  readonly bytes: Uint8Array
  readonly parameters: Parameters
}

/**
 * A failed transform. `isRetryable` says whether it may succeed later, because a store
 * could not be reached.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransformError extends Schema.TaggedError<TransformError>("effect-eventbus/bodies/TransformError")(
  "TransformError",
  {
    /**
     * `BodyGone`: the store no longer has the payload. `BodyTooLarge`: it would be over the
     * limit. `BodyCorrupt`: the bytes are not what they were, or belong to another message.
     * `UnknownKey`, `UnknownStep`: this service lacks a key or a transform. `StoreFailed`:
     * the store did not answer.
     */
    code: Schema.Literals(["BodyGone", "BodyTooLarge", "BodyCorrupt", "UnknownKey", "UnknownStep", "StoreFailed"]),
    detail: Schema.String
  }
) {
  override get message(): string {
    return this.detail
  }
  get isRetryable(): boolean {
    return this.code === "StoreFailed"
  }
}

/**
 * A transform of payloads. `open` undoes `seal`. A retry seals the same bytes again, so
 * the same input must give the same output.
 *
 * @category models
 * @since 0.1.0
 */
export interface BodyTransform {
  /** The name of the step. Messages carry it. */
  readonly name: string
  /** Payloads of at most this many bytes stay as they are. */
  readonly over: number
  /** Returns `None` if the payload is better left as it is. */
  readonly seal: (bytes: Uint8Array, message: Message) => Effect.Effect<Option.Option<Sealed>, TransformError>
  /** Returns at most `limit` bytes, or fails with `BodyTooLarge`. */
  readonly open: (sealed: Sealed, message: Message, limit: number) => Effect.Effect<Uint8Array, TransformError>
}
