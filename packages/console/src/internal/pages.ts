/**
 * The page and its files, and the login.
 *
 * @internal
 */

import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerRequestModule from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpStaticServer from "effect/http/HttpStaticServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Login } from "../Access.ts"
import { fromThisPage } from "./guard.ts"
import type { Settings } from "./settings.ts"

/** The built page, beside the sources in a clone and in a package alike. */
export const root: string = fileURLToPath(new URL("../../dist/ui", import.meta.url))

const escaped = (text: string): string => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;")

/** Returns the page with its address, from which it finds its files below any path. */
const pageOf = (html: string, prefix: string): string =>
  html.replace(/<base [^>]*>/, "").replace(/<head>/, `<head><base href="${escaped(prefix)}/">`)

const notBuilt =
  "The page of the console is not built. In a clone of the repository, run `npx vite build ui` in packages/console."

const read = ({
  page: root,
  prefix
}: Settings): { readonly page: string | undefined; readonly files: ReadonlySet<string> } => {
  try {
    const files = new Set(readdirSync(root))
    return { page: pageOf(readFileSync(`${root}/index.html`, "utf8"), prefix), files }
  } catch {
    return { page: undefined, files: new Set() }
  }
}

const immutable = "public, max-age=31536000, immutable"

/** Returns the first segment of a path, as it is. */
const firstOf = (url: string): string => /^\/?([^/?#]*)/.exec(url)?.[1] ?? ""

const page = (settings: Settings) =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const assets = yield* HttpStaticServer.make({ root: settings.page, index: undefined, cacheControl: immutable })
      const { files, page } = read(settings)
      const index =
        page === undefined ? HttpServerResponse.text(notBuilt, { status: 503 }) : HttpServerResponse.html(page)
      const missing = HttpServerResponse.text("There is no such file", { status: 404 })
      const handler = Effect.flatMap(HttpServerRequest, (request) => {
        const first = firstOf(request.url)
        if (first === "api" || first === "login") return Effect.succeed(missing)
        if (first !== "index.html" && files.has(first)) {
          return Effect.catch(assets, () => Effect.succeed(missing))
        }
        const { accept = "*/*" } = request.headers
        return Effect.succeed(
          /text\/html|\*\/\*/.test(accept) && !/%2e%2e|\.\.|%5c|\\/i.test(request.url) ? index : missing
        )
      })
      yield* router.add("GET", "/*", handler)
    })
  )

/** Anybody may send this. */
const maxLogin = ByteSize.kibibytes(4)

const Token = Schema.Struct({ token: Schema.String })

const refusal = (status: number, message: string) => HttpServerResponse.jsonUnsafe({ message }, { status })

/** A page that says that a link is used up, in plain text. */
const usedUp = HttpServerResponse.text(
  "This link was used before, or is too old. Use the browser that opened it first, or start the console again.",
  { status: 401 }
)

const login = ({ cookie, isToken, redeem }: Login, { prefix }: Settings) => {
  const withCookie = (response: HttpServerResponse.HttpServerResponse) =>
    HttpServerResponse.setCookieUnsafe(response, cookie.name, Redacted.value(cookie.value), {
      httpOnly: true,
      sameSite: "strict",
      path: `${prefix}/`
    })
  return HttpRouter.use((router) =>
    Effect.gen(function* () {
      yield* router.add(
        "GET",
        "/login",
        Effect.gen(function* () {
          const request = yield* HttpServerRequest
          const code = new URL(request.url, "http://localhost").searchParams.get("code") ?? ""
          if (!(yield* redeem(code))) return usedUp
          return withCookie(HttpServerResponse.redirect(`${prefix}/`, { status: 303 }))
        })
      )
      yield* router.add(
        "POST",
        "/login",
        Effect.gen(function* () {
          const request = yield* HttpServerRequest
          yield* fromThisPage(request)
          const { token } = yield* Effect.provideService(
            HttpServerRequestModule.schemaBodyJson(Token),
            MaxBodySize,
            maxLogin
          )
          return isToken(token)
            ? withCookie(HttpServerResponse.empty({ status: 204 }))
            : refusal(401, "This is not the token of this console")
        }).pipe(
          Effect.catchTag("Refused", ({ message }) => Effect.succeed(refusal(403, message))),
          Effect.catch(() => Effect.succeed(refusal(400, 'Send JSON: {"token": "…"}')))
        )
      )
    })
  )
}

export const layer = (settings: Settings) => {
  const { login: own } = settings.access
  return own === undefined ? page(settings) : Layer.merge(page(settings), login(own, settings))
}
