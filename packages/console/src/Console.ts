/**
 * The console as routes of an application's own server.
 *
 * @since 0.1.0
 */

import { readFileSync } from "node:fs"
import type * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import { address } from "@effect-eventbus/amqp/AmqpOptions"
import type { Contract } from "@effect-eventbus/inspect/Contract"
import type { Management } from "@effect-eventbus/inspect/Management"
import type { DeadLetter } from "effect-eventbus/DeadLetter"
import type { EventBus } from "effect-eventbus/EventBus"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as Etag from "effect/http/Etag"
import type * as HttpPlatform from "effect/http/HttpPlatform"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type { Access } from "./Access.ts"
import { ConsoleApi } from "./ConsoleApi.ts"
import * as guard from "./internal/guard.ts"
import * as handlers from "./internal/handlers.ts"
import * as pages from "./internal/pages.ts"
import type { Settings } from "./internal/settings.ts"
import type { Storage } from "./Storage.ts"

/**
 * Options of a console.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The rule of who may use it. It has no default: see `Access`. */
  readonly access: Access
  /**
   * The queues to show, beside those of the contract and the subscriptions of this process.
   * RabbitMQ does not list its queues over AMQP. Default: none.
   */
  readonly queues?: ReadonlyArray<string> | undefined
  /** The contract of the application: for topology, explanations, schemas of edits. Default: none. */
  readonly contract?: Contract | undefined
  /** The path below which it is mounted, such as `/ops/bus`. Default: the root. */
  readonly prefix?: `/${string}` | undefined
  /**
   * The names by which it may be called, without ports. Another name in a request's `Host`
   * may be one that an attacker has rebound to this address. Default: `localhost`,
   * `127.0.0.1` and `[::1]`.
   */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** Whether it only shows, and changes nothing. Default: `false`. */
  readonly readOnly?: boolean | undefined
  /**
   * Whether it shows the bodies of events: as they are, not at all, or as a function of
   * yours shows them. Where they are not shown as they are, they can neither be exported
   * nor edited. Default: `show`.
   */
  readonly bodies?: "show" | "hide" | ((letter: DeadLetter) => DeadLetter) | undefined
  /** The settings of RabbitMQ, for its topology and its checks. Default: neither. */
  readonly amqp?: AmqpOptions.Settings | undefined
  /** The management API of RabbitMQ, for bindings and, where none is named, the queues. Default: none. */
  readonly management?: Management | undefined
  /** The outbox and the schedule of the application. Default: none. */
  readonly storage?: Storage | undefined
  /** The folder of the built page, for a page of your own. Default: the page of this package. */
  readonly page?: string | undefined
  /** The title of the page. Default: the contract's, or `eventbus`. */
  readonly title?: string | undefined
  /** The flags that the commands that it shows need, such as `--module ./bus.ts`. Default: none. */
  readonly flags?: ReadonlyArray<string> | undefined
}

const loopback = ["localhost", "127.0.0.1", "[::1]"]

const settingsOf = (options: Options): Settings => {
  const prefix = (options.prefix ?? "").replace(/\/+$/, "")
  if (!/^(\/[\w.~-]+)*$/.test(prefix))
    throw new RangeError(`"${prefix}" is no path of letters, digits, ".", "_", "~" and "-"`)
  const { amqp } = options
  return {
    access: options.access,
    title: options.title ?? options.contract?.info.title ?? "eventbus",
    broker: amqp === undefined ? "this process's bus" : `RabbitMQ at ${address(amqp.endpoints[0])}`,
    prefix,
    hosts: new Set((options.hosts ?? loopback).map((host) => host.toLowerCase())),
    queues: (options.queues ?? []).map(QueueSpec.checkQueue),
    contract: options.contract,
    amqp,
    management: options.management,
    storage: options.storage,
    readOnly: options.readOnly ?? false,
    bodies: options.bodies ?? "show",
    flags: options.flags ?? [],
    page: options.page ?? pages.root
  }
}

const version = (): string => JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version

/**
 * A layer with the console, for an app that has a server.
 *
 * **Details**
 *
 * It serves the page, its API below `api/` and, with `Access.token`, `login`. Everything
 * is refused to those whom `access` does not let in, but the page itself, which has no
 * data. There is no option that turns this off.
 *
 * It looks at dead letters only when you ask for it, and keeps the last eight looks
 * for ten minutes. Replays, discards and imports are jobs of the server: they go on when
 * the page is closed, stop between two dead letters when the server stops, and leave a line
 * in the log each.
 *
 * Throws a `RangeError` for a prefix that is no path, and for an invalid name of a queue.
 *
 * **Example** (Mounting the console in an application)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Access, Console } from "@effect-eventbus/console"
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { EventBus } from "effect-eventbus"
 * import { HttpRouter } from "effect/http"
 *
 * const Routes = Console.layer({
 *   access: Access.make(({ headers }) => Effect.succeed(headers["x-user"] === "ada" ? { name: "ada" } : undefined)),
 *   queues: ["billing"],
 *   prefix: "/ops/bus"
 * }).pipe(Layer.provide(EventBus.layerMemory), Layer.provide(NodeHttpServer.layerHttpServices))
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(Routes)
 * const get = (headers: Record<string, string>) =>
 *   handler(new Request("http://localhost/ops/bus/api/session", { headers: { host: "localhost", ...headers } }))
 *
 * assert.strictEqual((await get({})).status, 401)
 * assert.strictEqual((await get({ "x-user": "ada" })).status, 200)
 * await dispose()
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<
  never,
  PlatformError,
  HttpRouter.HttpRouter | EventBus | FileSystem.FileSystem | Path.Path | HttpPlatform.HttpPlatform | Etag.Generator
> => {
  const settings = settingsOf(options)
  const below = Layer.effect(
    HttpRouter.HttpRouter,
    Effect.map(HttpRouter.HttpRouter, (router) => (settings.prefix === "" ? router : router.prefixed(settings.prefix)))
  )
  const api = HttpApiBuilder.layer(ConsoleApi).pipe(
    Layer.provide(handlers.layer(settings, version())),
    Layer.provide(guard.api(settings))
  )
  return Layer.mergeAll(api, pages.layer(settings)).pipe(Layer.provide(guard.routes(settings)), Layer.provide(below))
}
