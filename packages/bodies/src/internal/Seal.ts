/**
 * Seals and opens the bodies of messages by a list of transforms.
 *
 * @internal
 */

import type { Envelope } from "effect-eventbus/Envelope"
import * as PublishError from "effect-eventbus/PublishError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type BodyTransform, TransformError } from "../BodyTransform.ts"
import * as SealedPayload from "./sealedPayload.ts"

export interface Seal {
  /** Seals a body. Fails with `TooLarge` if more than `limit` bytes come of it. */
  readonly seal: (envelope: Envelope, limit: number) => Effect.Effect<Envelope, PublishError.Reason>
  /** Opens a body. A body that is not sealed stays as it is. */
  readonly open: (envelope: Envelope) => Effect.Effect<Envelope, TransformError>
  /** Remembers a body that could not be opened, so that it is not sealed again on its way to the dead letters. */
  readonly leave: (envelope: Envelope) => void
}

const toReason = (error: TransformError): PublishError.Reason =>
  error.isRetryable
    ? new PublishError.Disconnected({ detail: error.detail, millis: 0 })
    : new PublishError.EncodeFailed({ detail: error.detail })

/** Creates a seal whose opened bodies have at most `maxBodyBytes`. */
export const make = (transforms: ReadonlyArray<BodyTransform>, maxBodyBytes: number): Seal => {
  const byName = new Map(transforms.map((transform) => [transform.name, transform]))
  const least = Math.min(...transforms.map(({ over }) => over))
  const unopened = new WeakSet<Uint8Array>()

  const sealed = Effect.fnUntraced(function* (envelope: Envelope): Effect.fn.Return<Envelope, TransformError> {
    const payload = SealedPayload.payloadOf(envelope)
    if (payload === undefined) return envelope
    const steps = new Array<SealedPayload.Step>()
    let bytes = payload
    for (const { name, over, seal } of transforms) {
      if (bytes.length <= over) continue
      const sealed = yield* seal(bytes, envelope)
      if (Option.isNone(sealed)) continue
      bytes = sealed.value.bytes
      steps.push({ ...sealed.value.parameters, step: name })
    }
    // A payload that only looks sealed is sealed in no step, so that it comes out as it was.
    const isPlain = steps.length === 0 && SealedPayload.read(envelope) === undefined
    return isPlain ? envelope : SealedPayload.write(envelope, { steps, bytes })
  })

  return {
    seal: (envelope, limit) => {
      const isSmall = envelope.body.length <= least && !SealedPayload.isCandidate(envelope)
      if (isSmall || unopened.has(envelope.body)) return Effect.succeed(envelope)
      return sealed(envelope).pipe(
        Effect.mapError(toReason),
        Effect.filterOrFail(
          ({ body }) => body.length <= limit,
          ({ body }) => new PublishError.TooLarge({ bytes: body.length, limit })
        )
      )
    },
    open: Effect.fnUntraced(function* (envelope) {
      const sealed = SealedPayload.read(envelope)
      if (sealed === undefined) return envelope
      let { bytes } = sealed
      for (const { step, ...parameters } of sealed.steps.toReversed()) {
        const transform = byName.get(step)
        if (transform === undefined) {
          return yield* new TransformError({
            code: "UnknownStep",
            detail: `the body was sealed by "${step}", which this service does not have`
          })
        }
        bytes = yield* transform.open({ bytes, parameters }, envelope, maxBodyBytes)
      }
      return SealedPayload.restore(envelope, bytes)
    }),
    leave: ({ body }) => void unopened.add(body)
  }
}
