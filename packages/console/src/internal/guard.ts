/**
 * The checks of every request: by which name the console is called, who asks, from which
 * page, and whether this console does it.
 *
 * @internal
 */

import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import { HttpPlatform } from "effect/http/HttpPlatform"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as ConsoleApi from "../ConsoleApi.ts"
import { Refused, Unauthorized } from "../ConsoleError.ts"
import { bodiesOf, CurrentOperator, type Settings } from "./settings.ts"

const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'"
].join("; ")

const headers = {
  "content-security-policy": contentSecurityPolicy,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()"
}

/** A larger import is one for the command. */
const maxBody = ByteSize.mebibytes(64)

/** Returns the name in a `Host` header, without its port. */
const nameOf = (host: string): string => host.replace(/:\d+$/, "").toLowerCase()

/** A stream that is compressed waits for its buffer to fill. */
const isCompressible = (type: string): boolean =>
  /^(text\/(?!event-stream)|application\/(json|x-ndjson)|image\/svg)/.test(type)

const misnamed = HttpServerResponse.text(
  "The console does not have this name: add it to its `hosts`, or call it by another",
  { status: 421 }
)

/** A middleware of all routes of the console. Names that were rebound to this address are no names of it. */
export const routes = ({ hosts }: Settings) =>
  HttpRouter.middleware(
    Effect.map(
      HttpPlatform,
      (platform) => (effect) =>
        Effect.flatMap(HttpServerRequest, (request) =>
          hosts.has(nameOf(request.headers["host"] ?? "")) ? effect : Effect.succeed(misnamed)
        ).pipe(
          Effect.map((response) =>
            HttpServerResponse.setHeaders(response, {
              ...headers,
              "cache-control": response.headers["cache-control"] ?? "no-store"
            })
          ),
          HttpMiddleware.compression({ compressible: isCompressible, algorithms: ["gzip"] }),
          HttpMiddleware.withLoggerDisabled,
          Effect.provideService(MaxBodySize, maxBody),
          Effect.provideService(HttpPlatform, platform)
        )
    )
  ).layer

/**
 * Refuses a request that another site sent. A browser says from where it comes, and lets
 * other sites send no header of their own.
 */
export const fromThisPage = Effect.fnUntraced(function* (request: HttpServerRequest): Effect.fn.Return<void, Refused> {
  const isReading = request.method === "GET" || request.method === "HEAD"
  const site = request.headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin" && !(isReading && site === "none")) {
    return yield* new Refused({ reason: "cross-site", message: "The request comes from another site" })
  }
  if (!isReading && request.headers[ConsoleApi.header] !== "1") {
    return yield* new Refused({ reason: "no-header", message: `Send the header ${ConsoleApi.header}: 1` })
  }
})

const changes = (endpoint: HttpApiEndpoint.Top): boolean =>
  Context.get(endpoint.annotations, ConsoleApi.Changes) ?? endpoint.method !== "GET"

/** Refuses what this console does not do for this operator. */
const allowed = Effect.fnUntraced(function* (
  settings: Settings,
  endpoint: HttpApiEndpoint.Top,
  isReadOnly: boolean
): Effect.fn.Return<void, Refused> {
  if (isReadOnly && changes(endpoint)) {
    return yield* new Refused({
      reason: "read-only",
      message: "This console is read-only: use one that is not, or the command"
    })
  }
  if (Context.get(endpoint.annotations, ConsoleApi.ShowsBodies) && bodiesOf(settings) !== "show") {
    return yield* new Refused({
      reason: "bodies-hidden",
      message: "This console does not show bodies as they are: use one that does, or the command"
    })
  }
})

/** The check of each request to the API. */
export const api = (settings: Settings) =>
  Layer.succeed(
    ConsoleApi.Guard,
    ConsoleApi.Guard.of((effect, { endpoint }) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest
        const operator = yield* settings.access.operator(request)
        if (operator === undefined) {
          return yield* new Unauthorized({
            message: "Log in: open the link that the console printed, or enter its token"
          })
        }
        yield* fromThisPage(request)
        const isReadOnly = settings.readOnly || operator.readOnly === true
        yield* allowed(settings, endpoint, isReadOnly)
        return yield* Effect.provideService(effect, CurrentOperator, { ...operator, readOnly: isReadOnly })
      })
    )
  )
