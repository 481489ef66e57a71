/**
 * Texts that are fit for headers and logs: cut to a number of bytes, and without the
 * credentials in them.
 *
 * @internal
 */

import { withoutCredentials } from "./credentials.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The text, cut to a number of bytes, without the credentials in it. */
export const bounded = (text: string, maxBytes: number): string => {
  // Cut first: a hostile text must not cost more than what is kept of it. Where the cut is, credentials may end.
  const start = text.length > maxBytes * 2 ? `${text.slice(0, maxBytes * 2)}@` : text
  const clean = withoutCredentials(start)
  if (clean.length * 3 <= maxBytes) return clean
  const bytes = encoder.encode(clean)
  return bytes.length <= maxBytes ? clean : `${decoder.decode(bytes.subarray(0, maxBytes - 6)).replace(/\uFFFD$/, "")}…`
}

/** How many bytes a text has. */
export const bytesOf = (text: string): number => encoder.encode(text).length
