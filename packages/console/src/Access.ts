/**
 * The rule of who may use a console. There is none by default, and none that lets
 * everybody in.
 *
 * @since 0.1.0
 */

import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Redacted from "effect/Redacted"

/**
 * The person who uses the console.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operator {
  /** A name for the audit lines. */
  readonly name?: string | undefined
  /** Whether this operator may only look. Default: as the console. */
  readonly readOnly?: boolean | undefined
}

/**
 * A rule of who may use a console.
 *
 * @category models
 * @since 0.1.0
 */
export interface Access {
  /** Returns who sends a request, or `undefined` for someone who may not. It is asked for every request. */
  readonly operator: (request: HttpServerRequest) => Effect.Effect<Operator | undefined>
  /** The login of the console itself. `undefined`: the application has its own. */
  readonly login: Login | undefined
}

/**
 * The login of a console with a token of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Login {
  /** Whether a text is the token. */
  readonly isToken: (token: string) => boolean
  /** Returns a new code, which logs in once, within ten minutes. */
  readonly code: Effect.Effect<string>
  /** Uses up a code, and returns whether it was one. */
  readonly redeem: (code: string) => Effect.Effect<boolean>
  /** The cookie that keeps someone logged in. It differs from the token, and ends with the process. */
  readonly cookie: { readonly name: string; readonly value: Redacted.Redacted }
}

/**
 * Creates the rule of an application: it looks at each request, such as at a header that
 * its proxy sets, or at its own session.
 *
 * **Gotchas**
 *
 * The rule must not trust a header that a browser can send.
 *
 * **Example** (Letting in those whom a proxy has logged in)
 *
 * ```ts
 * import { Access } from "@effect-eventbus/console"
 * import { Effect } from "effect"
 *
 * const access = Access.make((request) =>
 *   Effect.succeed(
 *     request.headers["x-proxy-secret"] === "kept between the proxy and the app"
 *       ? { name: request.headers["x-user"], readOnly: request.headers["x-role"] !== "operator" }
 *       : undefined
 *   )
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (operator: Access["operator"]): Access => ({ operator, login: undefined })

/** Texts of any length are compared in the time of their hashes. */
const isSame = (a: string, b: string): boolean => {
  const hash = (text: string) => createHash("sha256").update(text).digest()
  return timingSafeEqual(hash(a), hash(b))
}

const secret = (): string => randomBytes(32).toString("base64url")

/**
 * The shortest token that may be given.
 *
 * @category constants
 * @since 0.1.0
 */
export const minToken = 32

const codeLife = 10 * 60_000
/** Old ones make room. */
const maxCodes = 16

/**
 * Creates a rule that lets in who knows a token, or has a link with a one-time code.
 *
 * **Details**
 *
 * The page trades the code, or the token, for a cookie. Programs send the token as
 * `Authorization: Bearer`. Without a `token`, a new one is made of 256 random bits.
 * Throws a `RangeError` for a token of fewer than 32 characters.
 *
 * `name` distinguishes the cookies of several consoles on one host, which browsers send
 * to all of its ports: use the port.
 *
 * @category constructors
 * @since 0.1.0
 */
export const token = (options: {
  readonly name: string | number
  readonly token?: Redacted.Redacted | undefined
}): Access & { readonly login: Login } => {
  const given = options.token === undefined ? secret() : Redacted.value(options.token)
  if (given.length < minToken) throw new RangeError(`The token must have at least ${minToken} characters`)
  const cookie = { name: `eventbus-console-${options.name}`, value: Redacted.make(secret()) }
  const codes = new Map<string, number>()
  const isToken = (token: string) => isSame(token, given)
  const isIn = (request: HttpServerRequest): boolean => {
    const inCookie = request.cookies[cookie.name]
    if (inCookie !== undefined) return isSame(inCookie, Redacted.value(cookie.value))
    const [, bearer] = /^Bearer (.+)$/i.exec(request.headers["authorization"] ?? "") ?? []
    return bearer !== undefined && isToken(bearer)
  }
  return {
    operator: (request) => Effect.sync(() => (isIn(request) ? {} : undefined)),
    login: {
      isToken,
      cookie,
      code: Effect.map(Clock.currentTimeMillis, (now) => {
        const code = secret()
        codes.set(code, now + codeLife)
        for (const old of codes.keys()) if (codes.size > maxCodes) codes.delete(old)
        return code
      }),
      redeem: (code) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const until = codes.get(code)
          codes.delete(code)
          return until !== undefined && now <= until
        })
    }
  }
}
