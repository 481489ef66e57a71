/**
 * Transforms that compress payloads.
 *
 * @since 0.1.0
 */

import { promisify } from "node:util"
import * as Zlib from "node:zlib"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type BodyTransform, TransformError } from "./BodyTransform.ts"
import { checkOver } from "./internal/checkOver.ts"

interface Limit {
  readonly maxOutputLength: number
}

/** An algorithm of `node:zlib`, which works in this thread and in another. */
interface Algorithm {
  readonly name: string
  readonly deflateNow: (bytes: Uint8Array) => Uint8Array
  readonly deflate: (bytes: Uint8Array) => Promise<Uint8Array>
  readonly inflateNow: (bytes: Uint8Array, limit: Limit) => Uint8Array
  readonly inflate: (bytes: Uint8Array, limit: Limit) => Promise<Uint8Array>
}

/** Payloads up to this size take less time than it takes to reach another thread and back. */
const smallBytes = 65_536

const isTooLong = (error: unknown): boolean =>
  error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"

const make = (
  { deflate, deflateNow, inflate, inflateNow, name }: Algorithm,
  over = 16_384
): Effect.Effect<BodyTransform> => {
  checkOver(over)
  const refused = (limit: number) => (error: unknown) =>
    isTooLong(error)
      ? new TransformError({ code: "BodyTooLarge", detail: `the body would inflate to more than ${limit} bytes` })
      : new TransformError({ code: "BodyCorrupt", detail: `the body was sealed by "${name}", but is not ${name}` })
  return Effect.succeed({
    name,
    over,
    seal: (bytes) =>
      Effect.map(
        bytes.length > smallBytes ? Effect.promise(() => deflate(bytes)) : Effect.sync(() => deflateNow(bytes)),
        // In JSON, four characters carry three bytes.
        (deflated) =>
          deflated.length * 4 < bytes.length * 3 ? Option.some({ bytes: deflated, parameters: {} }) : Option.none()
      ),
    open: ({ bytes }, _, maxOutputLength) =>
      bytes.length > smallBytes
        ? Effect.tryPromise({ try: () => inflate(bytes, { maxOutputLength }), catch: refused(maxOutputLength) })
        : Effect.try({ try: () => inflateNow(bytes, { maxOutputLength }), catch: refused(maxOutputLength) })
  })
}

/**
 * Creates a transform that compresses payloads by gzip, which every language reads.
 *
 * **Details**
 *
 * Payloads of at most `over` bytes (16 KiB by default) stay as they are, and so do those
 * that would hardly get smaller. A payload that would inflate to more than `maxBodyBytes`
 * of the layer is not inflated: it becomes a dead letter with the reason `BodyTooLarge`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const gzip = (options?: { readonly over?: number | undefined }): Effect.Effect<BodyTransform> =>
  make(
    {
      name: "gzip",
      deflateNow: Zlib.gzipSync,
      deflate: promisify(Zlib.gzip),
      inflateNow: Zlib.gunzipSync,
      inflate: promisify(Zlib.gunzip)
    },
    options?.over
  )

/**
 * Creates a transform that compresses payloads by Zstandard: faster than gzip, and
 * smaller. Its options are those of `gzip`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const zstd = (options?: { readonly over?: number | undefined }): Effect.Effect<BodyTransform> =>
  make(
    {
      name: "zstd",
      deflateNow: Zlib.zstdCompressSync,
      deflate: promisify(Zlib.zstdCompress),
      inflateNow: Zlib.zstdDecompressSync,
      inflate: promisify(Zlib.zstdDecompress)
    },
    options?.over
  )
