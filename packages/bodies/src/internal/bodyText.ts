/**
 * The body of a message as text, and as JSON.
 *
 * @internal
 */

import type { Envelope } from "effect-eventbus/Envelope"
import * as Predicate from "effect/Predicate"

/** Returns the bytes of a body as a buffer, which shares its memory. */
export const bufferOf = ({ body }: Envelope): Buffer => Buffer.from(body.buffer, body.byteOffset, body.byteLength)

/** Returns the text of a body. */
export const textOf = (envelope: Envelope): string => bufferOf(envelope).toString()

/** Parses a JSON object. `undefined`: the text is none. */
export const jsonObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const json: unknown = JSON.parse(text)
    return Predicate.isObject(json) ? json : undefined
  } catch {
    return undefined
  }
}
