/**
 * What went wrong with an event, in words that another language can read.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import { digest } from "./internal/fnv1a.ts"

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
  /**
   * The same for failures of the same kind at the same place, on every host: made of
   * the reason, the event's type and the stack's first frame of the application. 12
   * hexadecimal digits.
   */
  readonly fingerprint: string
  /** The machine on which the handler failed; `undefined` in memory, and where no handler did. */
  readonly host: string | undefined
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

/**
 * Takes the credentials out of the URLs in a text. Some are no legal URLs, which
 * is why they are in an error: a password may have a `/` or an `@` in it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withoutCredentials = (text: string): string =>
  text.replace(/[^\s"'<>]+/g, (word) => {
    const from = word.indexOf("://") + 3
    const to = word.lastIndexOf("@")
    const hasCredentials = from >= 3 && to >= from && /(^|:\/\/)[^/]*([:@]|$)/.test(word.slice(from, to))
    return hasCredentials ? `${word.slice(0, from)}***${word.slice(to)}` : word
  })

/** Cuts a text to a number of bytes, without the credentials in it. */
const bounded = (text: string, maxBytes: number): string => {
  // Cut first: a hostile text must not cost more than what is kept of it. Where the cut is, credentials may end.
  const start = text.length > maxBytes * 2 ? `${text.slice(0, maxBytes * 2)}@` : text
  const clean = withoutCredentials(start)
  if (clean.length * 3 <= maxBytes) return clean
  const bytes = encoder.encode(clean)
  return bytes.length <= maxBytes ? clean : `${decoder.decode(bytes.subarray(0, maxBytes - 6)).replace(/\uFFFD$/, "")}…`
}

const frame = /^\s*at (?:(.*?) \()?(.*?)(?:\?[^:]*)?(:\d+:\d+)\)?$/
/** Node, what is installed, and what has no file. Effect and this library are installed. */
const isForeign = (file: string): boolean => /^node:|[\\/]node_modules[\\/]|<anonymous>|^native$/.test(file)
const maxFrames = 100
const maxFrame = 500

/**
 * Where in the application an error was made: function, file and line. Of the file,
 * its folder and its name are the same on every host. What the message says is no
 * frame, however it looks.
 */
const placeOf = (stack: string, message: string): string => {
  const start = message === "" ? 0 : Math.max(0, stack.indexOf(message)) + message.length
  const lines = stack.slice(start, start + maxFrames * maxFrame).split("\n", maxFrames)
  for (const line of lines) {
    const [, name = "", file = "", position] = frame.exec(line.slice(0, maxFrame)) ?? []
    if (position === undefined || isForeign(file)) continue
    return `${name.replace(/^async /, "")} ${file.split(/[\\/]/).slice(-2).join("/")}${position}`
  }
  return ""
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
  /** The type of the event. */
  readonly type?: string | undefined
  /** The fault of the attempt before, which knows when it all began. */
  readonly previous?: Fault | undefined
}): Fault => ({
  reason: bounded(options.reason, maxReason),
  message: bounded(options.message, maxMessage),
  stack: options.stack === undefined ? undefined : bounded(options.stack, maxStack),
  fingerprint: digest(
    `${options.reason}\n${options.type ?? ""}\n${placeOf(options.stack ?? "", options.message)}`
  ).slice(0, 12),
  host: undefined,
  attempts: options.attempts,
  firstFailedAt: options.previous?.firstFailedAt ?? options.now,
  lastFailedAt: options.now
})

/** What an error without a message says by its fields, as tagged errors do. */
const fieldsOf = (error: Error): string => {
  const { _tag, ...fields } = { _tag: undefined, ...error }
  return Object.keys(fields).length === 0 ? "" : JSON.stringify(fields)
}

/** What a handler throws may be anything, even what throws when it is looked at. */
const describe = (error: unknown) => {
  try {
    const tag = Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" ? error._tag : undefined
    if (!(error instanceof Error)) return { reason: tag ?? typeof error, message: String(error) }
    const stack = error.stack === undefined ? undefined : String(error.stack)
    return { reason: tag ?? String(error.name), message: String(error.message) || fieldsOf(error), stack }
  } catch {
    return { reason: typeof error, message: "it cannot be shown" }
  }
}

/**
 * Makes a fault of the cause with which a handler ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCause = (
  cause: Cause.Cause<unknown>,
  options: {
    readonly attempts: number
    readonly now: number
    readonly type?: string | undefined
    readonly previous?: Fault | undefined
  }
): Fault => make({ ...options, ...describe(Cause.squash(cause)) })
