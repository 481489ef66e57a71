/**
 * Makes texts fit for headers and logs: cut to a number of bytes, and without credentials.
 *
 * @internal
 */

import { withoutCredentials } from "./credentials.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Returns the text without credentials, cut to a number of bytes. */
export const bounded = (text: string, maxBytes: number): string => {
  // Cut first: a hostile text must not cost more than its kept part. The "@" ends credentials that were cut.
  const start = text.length > maxBytes * 2 ? `${text.slice(0, maxBytes * 2)}@` : text
  const clean = withoutCredentials(start)
  if (clean.length * 3 <= maxBytes) return clean
  const bytes = encoder.encode(clean)
  return bytes.length <= maxBytes ? clean : `${decoder.decode(bytes.subarray(0, maxBytes - 6)).replace(/\uFFFD$/, "")}…`
}

/** Returns the length of a text in bytes. */
export const bytesOf = (text: string): number => encoder.encode(text).length
