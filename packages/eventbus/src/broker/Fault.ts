/**
 * What went wrong with an event, in words that another language can read.
 *
 * @since 0.1.0
 */

import type * as Cause from "effect/Cause"
import { bounded } from "./internal/boundedText.ts"
import * as Credentials from "./internal/credentials.ts"
import { describe, type ErrorText } from "./internal/errorText.ts"
import { digest } from "./internal/fnv1a.ts"
import { placeOf } from "./internal/stackPlace.ts"

/**
 * Why an event was retried or dead-lettered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  /**
   * The tag or name of the handler's error (`Failure` or `Defect`, where it has none), or
   * what ended the event without one: `expired`, `delivery_limit` (it kept killing its
   * consumers), or the code of a body that could not be decoded.
   */
  readonly reason: string
  /** What the error says, and what its causes do. At most 2 KiB. */
  readonly message: string
  /** The stack of the error, and those of its causes. At most 8 KiB. */
  readonly stack: string | undefined
  /**
   * The same for failures of the same kind at the same place, on every host: made of
   * the reason, the event's type and the stack's first frame of the application, that of
   * a cause where the error has none. 12 hexadecimal digits.
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
const maxType = 255

/**
 * Takes credentials out of a text: the logins of URLs, passwords and keys by their names,
 * and what authorizes a request.
 *
 * **Details**
 *
 * These forms are known, and no others: `amqp://user:password@host`, whatever the password
 * has in it; a name that ends in `password`, `passwd`, `passphrase`, `passcode`, `pwd`,
 * `pass`, `secret`, `token` or one of `api_key`, `access_key`, `account_key`, `secret_key`,
 * `private_key` and `auth_key`, before `=`, `:` or `>`, as JSON, YAML, XML, queries and
 * connection strings have them, or after `--`; `PASSWORD '…'` and `IDENTIFIED BY '…'`; and
 * what follows `Authorization:`, `Bearer` and `Basic`. Where a value has no clear end, more
 * is taken out than has to be. It takes time in proportion to the length of the text.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withoutCredentials = (text: string): string => Credentials.withoutCredentials(text)

/** When and where it failed. */
interface Circumstances {
  readonly attempts: number
  readonly now: number
  /** The type of the event. */
  readonly type?: string | undefined
  /** The fault of the attempt before, which knows when it all began. */
  readonly previous?: Fault | undefined
}

const fromText = (
  { message, place, reason, stack }: ErrorText,
  { attempts, now, previous, type = "" }: Circumstances
): Fault => ({
  reason: bounded(reason, maxReason),
  message: bounded(message, maxMessage),
  stack: stack === undefined ? undefined : bounded(stack, maxStack),
  fingerprint: digest(`${bounded(reason, maxReason)}\n${type.slice(0, maxType)}\n${place}`).slice(0, 12),
  host: undefined,
  attempts,
  firstFailedAt: previous?.firstFailedAt ?? now,
  lastFailedAt: now
})

/**
 * Makes a fault, with its texts cut to their bounds and free of credentials.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Circumstances & {
    readonly reason: string
    readonly message: string
    readonly stack?: string | undefined
  }
): Fault =>
  fromText({ ...options, stack: options.stack, place: placeOf(options.stack ?? "", options.message) }, options)

/**
 * Makes a fault of the cause with which a handler ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCause = (cause: Cause.Cause<unknown>, options: Circumstances): Fault =>
  fromText(describe(cause, maxMessage, maxStack), options)
