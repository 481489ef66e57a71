/**
 * Text as UTF-8.
 *
 * @internal
 */

const encoder = new TextEncoder()

/** Bodies share blocks of this size: to get one for each costs more than to fill it. */
const blockSize = 64 * 1024
let block = new Uint8Array(0)

/** The bytes of a text. */
export const encode = (text: string): Uint8Array => {
  // No code unit takes more than three bytes.
  const most = text.length * 3
  if (most > blockSize) return encoder.encode(text)
  if (most > block.length) block = new Uint8Array(blockSize)
  const { written } = encoder.encodeInto(text, block)
  const bytes = block.subarray(0, written)
  block = block.subarray(written)
  return bytes
}
