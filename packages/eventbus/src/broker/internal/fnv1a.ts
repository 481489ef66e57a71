/**
 * The 64-bit FNV-1a hash: a short name for a text or for bytes, the same everywhere. It
 * does not protect against forgery.
 *
 * http://www.isthe.com/chongo/tech/comp/fnv/
 *
 * @internal
 */

const encoder = new TextEncoder()

/** Returns the hash as 16 hexadecimal digits. */
export const digest = (of: string | Uint8Array): string => {
  let hash = 0xcbf29ce484222325n
  for (const byte of typeof of === "string" ? encoder.encode(of) : of) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  }
  return hash.toString(16).padStart(16, "0")
}
