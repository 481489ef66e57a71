/**
 * How to reach a RabbitMQ, and how to use it.
 *
 * @since 0.1.0
 */

import { isIP } from "node:net"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * The type of queues. `quorum` queues are replicated, and survive the loss of a node.
 * `classic` queues live on one node.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueType = "quorum" | "classic"

/**
 * How exchanges, queues and bindings come into being. `assert` declares them, `verify`
 * only checks that they exist, and `none` does not check.
 *
 * @category models
 * @since 0.1.0
 */
export type Topology = "assert" | "verify" | "none"

/**
 * Options of the RabbitMQ broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * `amqp://user:password@host:port/vhost` or `amqps://…`. Several are tried in turn.
   * Takes precedence over `host`, `port`, `username`, `password` and `vhost`.
   *
   * The query may contain `heartbeat` (seconds) and `connection_timeout` (milliseconds),
   * which take precedence over the options, and `channel_max` and `frame_max`. Any other
   * parameter is a `RangeError`.
   */
  readonly url?: Redacted.Redacted | ReadonlyArray<Redacted.Redacted> | undefined
  /** Default: `localhost`. */
  readonly host?: string | undefined
  /** Default: 5672, or 5671 with `tls`. */
  readonly port?: number | undefined
  /** Default: `guest`. */
  readonly username?: string | undefined
  /** Default: `guest`, for the user `guest`. Every other user needs one. */
  readonly password?: Redacted.Redacted | undefined
  /** Default: `/`. */
  readonly vhost?: string | undefined
  /**
   * Connects by TLS, as `amqps` URLs do. The certificate of the server is always
   * verified. Together with an `amqp` URL it is a `RangeError`.
   */
  readonly tls?: Tls | undefined
  /** The topic exchange of the events. Default: `agent_events`. */
  readonly exchange?: string | undefined
  /** The direct exchange of dead letters and retries. Default: `{exchange}_dlx`. */
  readonly deadLetterExchange?: string | undefined
  /** The number of deliveries that a consumer may hold, unless its subscription sets it. Default: 1. */
  readonly prefetch?: number | undefined
  /** The time for the first connection, and for any answer. Default: 10 seconds. */
  readonly connectionTimeout?: Duration.Input | undefined
  /** The heartbeat interval. A dead peer is detected after two to three intervals. Default: 10 seconds. */
  readonly heartbeat?: Duration.Input | undefined
  /** The time that a publish waits for its confirm, for a connection, or for an alarm to end. Default: 10 seconds. */
  readonly publishTimeout?: Duration.Input | undefined
  /** The number of publishes that may be unconfirmed. More of them wait. Default: 1,000. */
  readonly maxInFlight?: number | undefined
  /** The number of bytes that may be unconfirmed. More of them wait. Default: 16 MiB. */
  readonly maxInFlightBytes?: number | undefined
  /** The largest body, in bytes. RabbitMQ 4 takes at most 16 MiB. Default: 4 MiB. */
  readonly maxBodyBytes?: number | undefined
  /** Default: `quorum`. Retries and delayed events always wait in quorum queues. */
  readonly queueType?: QueueType | undefined
  /** Default: `assert`. */
  readonly topology?: Topology | undefined
  /**
   * The number of times that an event may lose its consumer before it becomes a dead
   * letter with the reason `delivery_limit`. Quorum queues only. Default: 20.
   */
  readonly deliveryLimit?: number | undefined
  /** Settings of single queues, by name. Use it for a queue that another service declares. */
  readonly queues?:
    | Readonly<Record<string, { readonly queueType?: QueueType | undefined; readonly topology?: Topology | undefined }>>
    | undefined
  /** The name of the connection that RabbitMQ shows. Default: `effect-eventbus`. */
  readonly connectionName?: string | undefined
}

/**
 * The TLS options. Certificates of the system are trusted by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tls {
  /** The certificates of the authorities to trust, as PEM. Default: those of Node. */
  readonly ca?: string | ReadonlyArray<string> | undefined
  /** The client's certificate, as PEM. */
  readonly cert?: string | undefined
  /** The client's private key, as PEM. */
  readonly key?: Redacted.Redacted | undefined
  readonly passphrase?: Redacted.Redacted | undefined
  /** The name that the certificate must have. Default: the host. */
  readonly servername?: string | undefined
}

/**
 * One address to connect to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Endpoint {
  readonly protocol: "amqp" | "amqps"
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: Redacted.Redacted
  readonly vhost: string
}

/**
 * Options with every default filled in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly endpoints: readonly [Endpoint, ...ReadonlyArray<Endpoint>]
  readonly tls: Tls
  readonly exchange: string
  readonly deadLetterExchange: string
  readonly prefetch: number
  readonly connectionTimeout: number
  readonly heartbeatSeconds: number
  /** The number of channels that a connection may have. The broker may allow fewer. */
  readonly channelMax: number
  /** The number of bytes that a frame may have. The broker may allow fewer. */
  readonly frameMax: number
  readonly publishTimeout: number
  readonly maxInFlight: number
  readonly maxInFlightBytes: number
  readonly maxBodyBytes: number
  readonly deliveryLimit: number
  readonly connectionName: string
  readonly topology: Topology
  readonly forQueue: (queue: string) => { readonly queueType: QueueType; readonly topology: Topology }
}

/**
 * Returns the address of an endpoint, without its secrets.
 *
 * @category getters
 * @since 0.1.0
 */
export const address = (endpoint: Endpoint): string =>
  `${endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`

const name = (what: string, value: string): string => {
  if (value === "" || Buffer.byteLength(value) > 255) {
    throw new RangeError(`The ${what} must have 1 to 255 bytes, not "${value}"`)
  }
  return value
}

const decode = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/**
 * The channels that a connection must have: the application's publishes, retries and dead
 * letters, one more for each of the two for messages like refused ones, and one to ask
 * RabbitMQ something.
 *
 * @category constants
 * @since 0.1.0
 */
export const leastChannels = 5

/** The query parameters of a URL, under the names that RabbitMQ uses. */
const parameters = ["heartbeat", "connection_timeout", "channel_max", "frame_max"] as const

type Query = Readonly<Partial<Record<(typeof parameters)[number], number>>>

const isParameter = (name: string): name is keyof Query => parameters.some((known) => known === name)

/** Reads the queries of all URLs. A parameter of one URL applies to all. */
const queryOf = (searches: ReadonlyArray<string>): Query => {
  const query: { -readonly [Name in keyof Query]: Query[Name] } = {}
  for (const [name, text] of searches.flatMap((search) => [...new URLSearchParams(search)])) {
    if (!isParameter(name)) {
      throw new RangeError(`A broker's URL may have ${parameters.join(", ")} behind its "?", not "${name}"`)
    }
    const value = whole(`${name} of a broker's URL`, /^\d+$/.test(text) ? Number(text) : NaN, 1, 2 ** 31 - 1)
    if (query[name] !== undefined && query[name] !== value) {
      throw new RangeError(`${name} is ${query[name]} and ${value} in the URLs of one broker`)
    }
    query[name] = value
  }
  return query
}

const fromUrl = (url: Redacted.Redacted): { readonly endpoint: Endpoint; readonly search: string } => {
  const parsed = URL.parse(Redacted.value(url))
  const protocol = parsed?.protocol.slice(0, -1)
  const [username, password, vhost] = [parsed?.username, parsed?.password, parsed?.pathname.slice(1)].map((part = "") =>
    decode(part)
  )
  if (
    parsed === null ||
    (protocol !== "amqp" && protocol !== "amqps") ||
    parsed.hostname === "" ||
    username === undefined ||
    password === undefined ||
    vhost === undefined ||
    parsed.hash !== "" ||
    // A password with a bare "/" or "?" would pass for a host, and be shown as one.
    `${parsed.pathname}${parsed.search}`.includes("@")
  ) {
    // The URL stays out of the error: it holds the password.
    throw new RangeError(
      "A broker's URL looks like amqp://user:password@host:5672/vhost, or amqps://…, with %2F for a / in its parts"
    )
  }
  if (username === "" && password !== "") throw new RangeError("A broker's URL with a password names its user, too")
  const endpoint: Endpoint = {
    protocol,
    host: hostOf(parsed.hostname),
    port: portOf(parsed.port === "" ? undefined : Number(parsed.port), protocol),
    ...login(username || undefined, password === "" ? undefined : Redacted.make(password)),
    vhost: name("virtual host", vhost || "/")
  }
  return { endpoint, search: parsed.search }
}

const portOf = (port: number | undefined, protocol: Endpoint["protocol"]): number =>
  whole("The port", port ?? (protocol === "amqp" ? 5672 : 5671), 1, 65535)

/** Checks a host. Its text may be a URL with a password, so it stays out of the error. */
const hostOf = (text: string): string => {
  const host = text.replace(/^\[(.*)\]$/, "$1")
  if (isIP(host) === 0 && !/^[^\s,:/?#@[\]]{1,255}$/.test(host)) {
    throw new RangeError("The host is the name or the IP address of a machine, without a port or anything else")
  }
  return host
}

/** Returns the credentials. Only the user `guest` has a default password. */
const login = (
  username = "guest",
  password: Redacted.Redacted | undefined
): Pick<Endpoint, "username" | "password"> => {
  if (password === undefined && username !== "guest") throw new RangeError("A user other than guest needs a password")
  return { username, password: password ?? Redacted.make("guest") }
}

const endpointsOf = (options: Options): { readonly endpoints: Settings["endpoints"]; readonly query: Query } => {
  const urls = options.url === undefined ? [] : Redacted.isRedacted(options.url) ? [options.url] : options.url
  if (options.url !== undefined && urls.length === 0) throw new RangeError("The list of the broker's URLs is empty")
  const parsed = urls.map(fromUrl)
  const [first, ...others] = parsed.map(({ endpoint }) => endpoint)
  if (first !== undefined) {
    if (options.tls !== undefined && parsed.some(({ endpoint }) => endpoint.protocol === "amqp")) {
      throw new RangeError(
        "With the option tls, a broker's URL begins with amqps://: amqp:// would not encrypt anything"
      )
    }
    return { endpoints: [first, ...others], query: queryOf(parsed.map(({ search }) => search)) }
  }
  const protocol = options.tls === undefined ? "amqp" : "amqps"
  const endpoint: Endpoint = {
    protocol,
    host: hostOf(options.host ?? "localhost"),
    port: portOf(options.port, protocol),
    ...login(options.username, options.password),
    vhost: name("virtual host", options.vhost ?? "/")
  }
  return { endpoints: [endpoint], query: {} }
}

const whole = (what: string, value: number, least: number, most: number): number => {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${what} must be a whole number from ${least} to ${most}, not ${value}`)
  }
  return value
}

/**
 * Checks the name of an exchange. It is part of the names of wait queues, which have
 * at most 255 bytes. RabbitMQ reserves names with "amq." and has one exchange of each
 * type.
 */
const exchangeName = (name: string, builtIn: string): string => {
  if (!/^[A-Za-z0-9._-]{1,50}$/.test(name)) {
    throw new RangeError(`An exchange is named by 1 to 50 letters, digits, ".", "_" and "-", not "${name}"`)
  }
  if (name.startsWith("amq.") && name !== builtIn) {
    throw new RangeError(
      `RabbitMQ keeps the name "${name}" for itself: take another one, or "${builtIn}", which it has`
    )
  }
  return name
}

/** Checks that each part of the client's certificate has the parts without which TLS ignores it. */
const tlsOf = (tls: Tls = {}): Tls => {
  const { cert, key, passphrase } = tls
  if ((cert === undefined) !== (key === undefined)) {
    throw new RangeError("The option tls has a cert without its key, or a key without its cert: TLS needs both")
  }
  if (passphrase !== undefined && key === undefined) {
    throw new RangeError("The option tls has a passphrase without the key that it opens")
  }
  return tls
}

/** Checks the names of queues with settings of their own. No queue has another name, so its settings would be ignored. */
const queuesOf = (queues: Options["queues"] = {}): NonNullable<Options["queues"]> => {
  Object.keys(queues).forEach(QueueSpec.checkQueue)
  return queues
}

/**
 * Fills in the defaults. Throws a `RangeError` for invalid options.
 *
 * @category constructors
 * @since 0.1.0
 */
export const settings = (options: Options): Settings => {
  const exchange = exchangeName(options.exchange ?? "agent_events", "amq.topic")
  const millis = (what: string, value: Duration.Input | undefined) =>
    whole(`The ${what} in milliseconds`, Math.round(Duration.toMillis(value ?? "10 seconds")), 1, 3_600_000)
  const { endpoints, query } = endpointsOf(options)
  const deadLetterExchange = exchangeName(options.deadLetterExchange ?? `${exchange}_dlx`, "amq.direct")
  if (deadLetterExchange === exchange) {
    throw new RangeError(`The events and the dead letters need an exchange each, and not "${exchange}" for both`)
  }
  const queues = queuesOf(options.queues)
  return {
    endpoints,
    tls: tlsOf(options.tls),
    exchange,
    deadLetterExchange,
    prefetch: whole("The prefetch count", options.prefetch ?? 1, 1, 65535),
    connectionTimeout: millis("connection timeout", query.connection_timeout ?? options.connectionTimeout),
    // AMQP counts heartbeats in seconds, and 0 would turn them off.
    heartbeatSeconds: Math.max(
      1,
      Math.round(millis("heartbeat", query.heartbeat === undefined ? options.heartbeat : query.heartbeat * 1000) / 1000)
    ),
    channelMax: whole("channel_max", query.channel_max ?? 65535, leastChannels, 65535),
    // The least is what AMQP allows; the default is that of RabbitMQ.
    frameMax: whole("frame_max", query.frame_max ?? 131_072, 4096, 64 * 1024 * 1024),
    publishTimeout: millis("publish timeout", options.publishTimeout),
    maxInFlight: whole("maxInFlight", options.maxInFlight ?? 1000, 1, 1_000_000),
    maxInFlightBytes: whole("maxInFlightBytes", options.maxInFlightBytes ?? 16 * 1024 * 1024, 1, 2 ** 40),
    maxBodyBytes: whole("maxBodyBytes", options.maxBodyBytes ?? 4 * 1024 * 1024, 1, 512 * 1024 * 1024),
    // A handful of lost connections must not make a dead letter of a good event.
    deliveryLimit: whole("deliveryLimit", options.deliveryLimit ?? 20, 10, 1_000_000),
    connectionName: options.connectionName ?? "effect-eventbus",
    topology: options.topology ?? "assert",
    forQueue: (queue) => {
      const own = Object.hasOwn(queues, queue) ? queues[queue] : undefined
      return {
        queueType: own?.queueType ?? options.queueType ?? "quorum",
        topology: own?.topology ?? options.topology ?? "assert"
      }
    }
  }
}

const seconds = (name: string): Config.Config<Duration.Duration | undefined> =>
  optional(Config.map(Config.Finite(name), Duration.seconds))

const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> =>
  Config.map(Config.option(config), Option.getOrUndefined)

const invalid = (message: string) => new Config.ConfigError(new ConfigProvider.SourceError({ message }))

const port = Config.String("RABBITMQ_PORT").pipe(
  Config.mapEffect((text) => {
    if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65535) return Effect.succeed(Number(text))
    // Kubernetes gives every container the addresses of all services, under the names of the services.
    const hint = text.startsWith("tcp://")
      ? `. Kubernetes sets it where a service has the name "rabbitmq": set RABBITMQ_URL, or enableServiceLinks: false`
      : ""
    return Effect.fail(invalid(`RABBITMQ_PORT must be a whole number from 1 to 65535${hint}`))
  })
)

const addresses: Config.Config<Options> = Config.flatMap(
  optional(Config.Redacted("RABBITMQ_URL")),
  (urls): Config.Config<Options> =>
    // The URL goes before all of these, so what they are does not matter then.
    urls === undefined
      ? Config.all({
          host: optional(Config.String("RABBITMQ_HOST")),
          port: optional(port),
          username: optional(Config.String("RABBITMQ_USER")),
          password: optional(Config.Redacted("RABBITMQ_PASSWORD")),
          vhost: optional(Config.String("RABBITMQ_VHOST"))
        })
      : Config.succeed({
          url: Redacted.value(urls)
            .split(",")
            .map((url) => Redacted.make(url.trim()))
        })
)

/**
 * The options that the environment gives: `RABBITMQ_URL` (several, separated by
 * commas), or `RABBITMQ_HOST`, `_PORT`, `_USER`, `_PASSWORD` and `_VHOST`; and
 * `RABBITMQ_EXCHANGE`, `RABBITMQ_PREFETCH_COUNT`, `RABBITMQ_CONNECTION_TIMEOUT` and
 * `RABBITMQ_HEARTBEAT`, both in seconds. The defaults are those of `Options`.
 * What cannot be meant is a `ConfigError`.
 *
 * @category configuration
 * @since 0.1.0
 */
export const config: Config.Config<Options> = Config.all({
  addresses,
  exchange: optional(Config.String("RABBITMQ_EXCHANGE")),
  prefetch: optional(Config.Int("RABBITMQ_PREFETCH_COUNT")),
  connectionTimeout: seconds("RABBITMQ_CONNECTION_TIMEOUT"),
  heartbeat: seconds("RABBITMQ_HEARTBEAT")
}).pipe(
  Config.mapEffect(({ addresses, ...others }) =>
    Effect.try({
      try: () => {
        const options: Options = { ...addresses, ...others }
        settings(options)
        return options
      },
      catch: (error) => invalid(error instanceof Error ? error.message : String(error))
    })
  )
)
