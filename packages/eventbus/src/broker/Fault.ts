/**
 * The reasons why events were retried or dead-lettered, in fields that any language reads.
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
 * The reason why an event was retried or dead-lettered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  /**
   * The tag or name of the handler's error, or `Failure` or `Defect` if it has none. If no
   * handler failed, it is `expired`, `delivery_limit` (the event was delivered too often
   * without being settled), or the code of a body that could not be decoded.
   */
  readonly reason: string
  /** The message of the error, and those of its causes. At most 2 KiB. */
  readonly message: string
  /** The stack of the error, and those of its causes. At most 8 KiB. */
  readonly stack: string | undefined
  /**
   * 12 hexadecimal digits that are the same for failures of the same kind at the same
   * place, on every host. They are made of the reason, the event's type and the first
   * frame of the application in the stack of the error, or else of a cause.
   */
  readonly fingerprint: string
  /** The machine on which the handler failed. `undefined` in memory, or if no handler failed. */
  readonly host: string | undefined
  /** The number of times that a handler received the event. */
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
 * Removes credentials from a text: logins of URLs, values whose names tell that they are
 * secret, and authorization headers.
 *
 * **Details**
 *
 * It knows these forms, and no others:
 *
 * - `amqp://user:password@host`, in any scheme. The password may have a `/`, a `@`, a quote
 *   or a blank in it, which is not legal in a URL and often the reason for the error.
 * - Values of names that end in `password`, `passwd`, `passphrase`, `passcode`, `pwd`,
 *   `pass`, `secret`, `token`, `api_key`, `access_key`, `account_key`, `secret_key`,
 *   `private_key` or `auth_key`, in any case, after `=`, `:` or `>`: in JSON, YAML, XML,
 *   queries and connection strings. Also after `--password` and the like.
 * - `PASSWORD '…'` and `IDENTIFIED BY '…'`.
 * - The values of `Authorization:`, `Bearer` and `Basic`.
 *
 * If a value has no clear end, more than the value is removed. The time that it takes is
 * proportional to the length of the text.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withoutCredentials = (text: string): string => Credentials.withoutCredentials(text)

/** The circumstances of a failure. */
interface Circumstances {
  readonly attempts: number
  readonly now: number
  /** The type of the event. */
  readonly type?: string | undefined
  /** The fault of the previous attempt, which has the time of the first failure. */
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
 * Creates a fault. Its texts are cut to their bounds, without credentials.
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
 * Creates a fault from the cause with which a handler ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCause = (cause: Cause.Cause<unknown>, options: Circumstances): Fault =>
  fromText(describe(cause, maxMessage, maxStack), options)

/**
 * Returns the reason of a fault with its message, or alone where the error has none.
 *
 * @category getters
 * @since 0.1.0
 */
export const summary = ({ message, reason }: Pick<Fault, "message" | "reason">): string =>
  message === "" ? reason : `${reason}: ${message}`
