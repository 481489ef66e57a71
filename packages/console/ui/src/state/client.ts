/** The typed client of the console's server. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Atom from "effect/reactivity/Atom"
import { ConsoleApi, header } from "../../../src/ConsoleApi.ts"

/** The client of the server that the page came from. */
export class Client extends Context.Service<Client, HttpApiClient.ForApi<typeof ConsoleApi>>()(
  "@effect-eventbus/console/ui/Client"
) {}

/** The address of the console, without a slash at its end. */
export const root = new URL(".", document.baseURI).href.replace(/\/$/, "")

const layer = Layer.effect(
  Client,
  HttpApiClient.make(ConsoleApi, {
    baseUrl: root,
    transformClient: HttpClient.mapRequest(HttpClientRequest.setHeader(header, "1"))
  })
).pipe(Layer.provide(FetchHttpClient.layer))

export const runtime = Atom.runtime(layer)

const managed = ManagedRuntime.make(layer)

/** Runs a request that the person asked for. */
export const run = <A, E>(effect: Effect.Effect<A, E, Client>): Promise<A> => managed.runPromise(effect)

/** Runs in the background. */
export const fork = <A, E>(effect: Effect.Effect<A, E, Client>): Fiber.Fiber<A, unknown> => managed.runFork(effect)

/** Returns the address of a resource of the server, for a download. */
export const address = (path: string, query: Readonly<Record<string, string | undefined>> = {}): string => {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value)
  return `${root}/api${path}${search.size === 0 ? "" : `?${search}`}`
}
