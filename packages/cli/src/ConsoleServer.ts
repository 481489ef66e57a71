/**
 * The server of `eventbus console`.
 *
 * @since 0.1.0
 */

import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createServer } from "node:http"
import { userInfo } from "node:os"
import { fileURLToPath } from "node:url"
import type { Console } from "@effect-eventbus/console"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type { BrokerError } from "effect-eventbus/BrokerError"
import type { EventBus } from "effect-eventbus/EventBus"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Connection from "./Connection.ts"
import * as ConsoleStorage from "./ConsoleStorage.ts"
import * as lazyImports from "./lazyImports.ts"
import { Output } from "./Output.ts"
import { CommandFailed, UsageError } from "./Problem.ts"

/**
 * The address of the console, and whether it opens a browser.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  readonly host: string
  readonly port: number
  readonly open: boolean
}

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|::1)$/.test(host)

/** The name of an address in a URL. */
const inUrl = (host: string): string => (host.includes(":") ? `[${host}]` : host)

/** The name by which this machine calls an address of its own. */
const called = (host: string): string => (host === "0.0.0.0" || host === "::" ? "127.0.0.1" : inUrl(host))

const tokenOf = Effect.fnUntraced(function* (host: string) {
  const token = yield* Config.option(Config.Redacted("EVENTBUS_CONSOLE_TOKEN"))
  const { Access } = yield* lazyImports.console
  const isShort = Option.exists(token, (token) => Redacted.value(token).length < Access.minToken)
  if (isShort)
    return yield* new UsageError({ message: `EVENTBUS_CONSOLE_TOKEN needs at least ${Access.minToken} characters` })
  if (Option.isNone(token) && !isLoopback(host)) {
    return yield* new UsageError({
      message: `Everybody in the network can reach ${host}: set EVENTBUS_CONSOLE_TOKEN to at least ${Access.minToken} random characters, or listen on 127.0.0.1`
    })
  }
  return Option.getOrUndefined(token)
})

/** Returns the name of the person at this terminal, if the system knows it. */
const userName = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}

/** The names by which the console may be called at an address of all interfaces. */
const hostsOf = Effect.fnUntraced(function* (host: string) {
  const more = yield* Config.withDefault(Config.String("EVENTBUS_CONSOLE_HOSTS"), "")
  const own = ["localhost", "127.0.0.1", "[::1]", inUrl(host)]
  return [...new Set([...own, ...more.split(",").map((name) => name.trim())])].filter((name) => name !== "")
})

/**
 * In a clone, the page is built when its sources have changed. A package has it built.
 * Without its page, the API is served still.
 */
const build = Effect.gen(function* () {
  const output = yield* Output
  const script = fileURLToPath(new URL("build.mjs", import.meta.resolve("@effect-eventbus/console/package.json")))
  if (!existsSync(script)) return
  const isBuilt = yield* Effect.callback<boolean>((resume) => {
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "ignore", "inherit"] })
    child.on("error", () => resume(Effect.succeed(false)))
    child.on("close", (code) => resume(Effect.succeed(code === 0)))
    return Effect.sync(() => child.kill())
  })
  if (!isBuilt) yield* output.note(`The page is not built: see what node ${script} says`)
})

const openers: Partial<Record<NodeJS.Platform, readonly [string, ...Array<string>]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"]
}

/** A machine without a browser has the printed link. */
const openBrowser = (url: string) =>
  Effect.sync(() => {
    const [command, ...first] = openers[process.platform] ?? ["xdg-open"]
    const child = spawn(command, [...first, url], { stdio: "ignore", detached: true })
    child.on("error", () => {})
    child.unref()
  })

/**
 * Serves the console of a bus until it is interrupted, and prints a link that logs in.
 *
 * @category running
 * @since 0.1.0
 */
export const serve = Effect.fnUntraced(function* (
  { host, open, port }: Place,
  options: Omit<Console.Options, "access" | "hosts">
) {
  const { Access, Console } = yield* lazyImports.console
  const output = yield* Output
  const token = yield* tokenOf(host)
  yield* build
  // Browsers send a cookie to all ports of a host, so its name has the port.
  const own = Access.token({ name: port === 0 ? crypto.randomUUID() : port, token })
  // Others may know a token that was given. A link is for the person who started the console.
  const name = token === undefined ? userName() : undefined
  const access = {
    ...own,
    operator: (request: HttpServerRequest) =>
      Effect.map(own.operator(request), (operator) => (operator === undefined ? undefined : { name, ...operator }))
  }
  const routes = HttpRouter.serve(Console.layer({ ...options, access, hosts: yield* hostsOf(host) }), {
    disableListenLog: true,
    disableLogger: true
  })
  const introduction = Effect.gen(function* () {
    const { address } = yield* HttpServer.HttpServer
    const on = "port" in address ? address.port : port
    const link = `http://${called(host)}:${on}/login?code=${yield* access.login.code}`
    yield* output.line(`The console is at ${link}`)
    yield* output.note("The link logs one browser in, within ten minutes (Ctrl-C ends the console)")
    if (!isLoopback(host)) yield* output.note("It is served without TLS: put a proxy with TLS before it")
    if (open) yield* openBrowser(link)
  })
  return yield* Layer.effectDiscard(introduction).pipe(
    Layer.provide(routes),
    Layer.provide([
      NodeHttpServer.layer(createServer, { host, port, gracefulShutdownTimeout: "2 seconds" }),
      Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)
    ]),
    Layer.launch,
    Effect.catchTag("ServeError", ({ cause }) =>
      Effect.fail(new CommandFailed({ message: `Cannot listen: ${String(cause)}` }))
    )
  )
})

/**
 * The input of the command.
 *
 * @category models
 * @since 0.1.0
 */
export interface Input extends Place {
  readonly module: Option.Option<string>
  readonly queues: ReadonlyArray<string>
  readonly database: Option.Option<string>
  readonly schema: Option.Option<string>
  readonly prefix: Option.Option<string>
  readonly readOnly: boolean
  readonly hideBodies: boolean
  readonly memory: boolean
}

/**
 * Serves the console of the environment's RabbitMQ, or of an empty bus in memory.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (input: Input) {
  const { Contract, Management } = yield* lazyImports.inspect
  const contract = Option.isNone(input.module) ? undefined : yield* Contract.load(input.module.value)
  const amqp = input.memory ? undefined : yield* Connection.settings(contract?.options)
  const management = amqp === undefined ? Option.none() : yield* Management.fromConfig(amqp)
  const { database, prefix, schema } = input
  const storage = Option.isNone(database)
    ? undefined
    : yield* ConsoleStorage.make({ database: database.value, prefix, schema })
  const flags = Option.match(input.module, { onNone: () => [], onSome: (module) => ["--module", module] })
  const bus: Layer.Layer<EventBus, BrokerError | Config.ConfigError> = input.memory
    ? Connection.layerMemory
    : Connection.layerAmqp
  return yield* Effect.provide(
    serve(input, {
      queues: input.queues.map(QueueSpec.originOf),
      contract,
      amqp,
      management: Option.getOrUndefined(management),
      storage,
      readOnly: input.readOnly,
      bodies: input.hideBodies ? "hide" : "show",
      flags
    }),
    bus
  )
}, Effect.scoped)
