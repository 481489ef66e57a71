/**
 * What went wrong with an event, in words that another language can read.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"

/**
 * Why an event was retried or dead-lettered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  /**
   * The tag or name of the handler's error, or what ended the event without one:
   * `expired`, `delivery_limit` (it kept killing its consumers), or the code of
   * a body that could not be decoded.
   */
  readonly reason: string
  /** At most 2 KiB. */
  readonly message: string
  /** At most 8 KiB. */
  readonly stack: string | undefined
  /** How often a handler was given the event. */
  readonly attempts: number
  /** Milliseconds since 1970. */
  readonly firstFailedAt: number
  /** Milliseconds since 1970. */
  readonly lastFailedAt: number
}

const maxReason = 128
const maxMessage = 2048
const maxStack = 8192

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Cuts a text to a number of bytes, and takes the credentials out of the URLs in it. */
const bounded = (text: string, maxBytes: number): string => {
  // Cut first: a hostile text must not cost more than what is kept of it.
  const clean = text.slice(0, maxBytes * 2).replace(/:\/\/[^\s/@]*@/g, "://***@")
  if (clean.length * 3 <= maxBytes) return clean
  const bytes = encoder.encode(clean)
  return bytes.length <= maxBytes ? clean : `${decoder.decode(bytes.subarray(0, maxBytes - 6)).replace(/�$/, "")}…`
}

/**
 * Makes a fault, with its texts cut to their bounds and free of credentials.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly reason: string
  readonly message: string
  readonly stack?: string | undefined
  readonly attempts: number
  readonly now: number
  /** The fault of the attempt before, which knows when it all began. */
  readonly previous?: Fault | undefined
}): Fault => ({
  reason: bounded(options.reason, maxReason),
  message: bounded(options.message, maxMessage),
  stack: options.stack === undefined ? undefined : bounded(options.stack, maxStack),
  attempts: options.attempts,
  firstFailedAt: options.previous?.firstFailedAt ?? options.now,
  lastFailedAt: options.now
})

const reasonOf = (error: unknown): string => {
  if (Predicate.hasProperty(error, "_tag") && typeof error._tag === "string") return error._tag
  return error instanceof Error ? error.name : typeof error
}

/**
 * Makes a fault of the cause with which a handler ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCause = (
  cause: Cause.Cause<unknown>,
  options: { readonly attempts: number; readonly now: number; readonly previous?: Fault | undefined }
): Fault => {
  const error = Cause.squash(cause)
  return make({
    ...options,
    reason: reasonOf(error),
    message: error instanceof Error ? error.message : String(error),
    stack: error instanceof Error ? error.stack : undefined
  })
}
