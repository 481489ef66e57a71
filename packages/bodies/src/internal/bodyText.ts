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

/** Returns the members of a JSON object as they are written, so that numbers keep their spelling. The text must be valid JSON. */
export const jsonMembers = (text: string): ReadonlyMap<string, string> => {
  const members = new Map<string, string>()
  let key: string | undefined
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '"') {
      const first = at++
      while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1
      if (depth === 1) key ??= String(JSON.parse(text.slice(first, at + 1)))
    } else if (char === "{" || char === "[") depth++
    else if (char === ":" && depth === 1) start = at + 1
    else if ((char === "," || char === "}") && depth === 1) {
      if (key !== undefined) members.set(key, text.slice(start, at).trim())
      key = undefined
      if (char === "}") depth--
    } else if (char === "}" || char === "]") depth--
  }
  return members
}
