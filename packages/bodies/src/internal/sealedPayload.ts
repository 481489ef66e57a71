/**
 * The payload of a sealed message. The other fields of the event stay readable.
 *
 * ```json
 * { "$sealed": { "steps": [{ "step": "gzip" }], "data": "…base64…" } }
 * ```
 *
 * @internal
 */

import * as Envelope from "effect-eventbus/Envelope"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Parameters } from "../BodyTransform.ts"
import { bufferOf, jsonObject, textOf } from "./bodyText.ts"

/** The parameters of a transform, and its name as `step`. */
export type Step = Parameters & { readonly step: string }

const Payload = Schema.Struct({
  $sealed: Schema.Struct({
    steps: Schema.Array(
      Schema.StructWithRest(Schema.Struct({ step: Schema.String }), [
        Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite]))
      ])
    ),
    data: Schema.String
  })
})

/** The steps of a sealed payload in the order in which they were applied, and the bytes that they made. */
export interface SealedPayload {
  readonly steps: ReadonlyArray<Step>
  readonly bytes: Uint8Array
}

const decodePayload = Schema.decodeUnknownResult(Payload)

const marker = Buffer.from(`"$sealed"`)

/** Returns whether a body may be sealed. Most are not, and cost no more than this. */
export const isCandidate = (envelope: Envelope.Envelope): boolean => bufferOf(envelope).includes(marker)

/** Returns the payload of a body. `undefined` for a body that is no event. */
const parse = (envelope: Envelope.Envelope): object | undefined => {
  const payload = jsonObject(textOf(envelope))?.["payload"]
  return Predicate.isObject(payload) ? payload : undefined
}

/** Returns the bytes of the payload, as its publisher wrote it. `undefined` for a body that is no event. */
export const payloadOf = (envelope: Envelope.Envelope): Uint8Array | undefined => {
  if (parse(envelope) === undefined) return undefined
  const text = Envelope.member(envelope, "payload")
  return text === undefined ? undefined : Buffer.from(text)
}

/** Reads a sealed payload. Returns `undefined` for any other. */
export const read = (envelope: Envelope.Envelope): SealedPayload | undefined => {
  const payload = isCandidate(envelope) ? decodePayload(parse(envelope)) : undefined
  if (payload === undefined || Result.isFailure(payload)) return undefined
  const { data, steps } = payload.success.$sealed
  return { steps, bytes: Buffer.from(data, "base64") }
}

/** Writes a sealed payload in the place of the payload. */
export const write = (envelope: Envelope.Envelope, { bytes, steps }: SealedPayload): Envelope.Envelope => {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
  return Envelope.withMember(envelope, "payload", JSON.stringify({ $sealed: { steps, data } }))
}

/** Writes the bytes of an opened payload in the place of the sealed one. */
export const restore = (envelope: Envelope.Envelope, payload: Uint8Array): Envelope.Envelope =>
  Envelope.withMember(envelope, "payload", new TextDecoder().decode(payload))
