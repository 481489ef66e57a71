/**
 * RabbitMQ's management API, for what RabbitMQ does not report over AMQP: bindings, the
 * list of queues and their limits, and feature flags. It is optional.
 *
 * @since 0.1.0
 */

import type { AmqpOptions } from "@effect-eventbus/amqp"
import type { QueueInfo } from "effect-eventbus/Broker"
import * as Fault from "effect-eventbus/Fault"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as ManagementError from "./ManagementError.ts"
import * as QueueLimit from "./QueueLimit.ts"

/**
 * A binding of a queue to an exchange.
 *
 * @category models
 * @since 0.1.0
 */
export interface Binding {
  readonly exchange: string
  readonly key: string
}

/**
 * A feature flag: something that RabbitMQ can do once every node of a cluster can.
 *
 * @category models
 * @since 0.1.0
 */
export interface FeatureFlag {
  readonly name: string
  readonly state: string
  readonly stability: string
}

/**
 * The memory limit of a node, in bytes. Above it, RabbitMQ blocks all publishers.
 *
 * @category models
 * @since 0.1.0
 */
export interface NodeMemory {
  readonly name: string
  readonly limit: number
}

/**
 * A queue as the management API lists it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListedQueue extends QueueInfo {
  /** The arguments that it was declared with. */
  readonly arguments: Readonly<Record<string, unknown>>
}

/**
 * A client of the management API.
 *
 * @category models
 * @since 0.1.0
 */
export interface Management {
  /** Returns the bindings of a queue except the default one. A queue that does not exist has none. */
  readonly bindings: (queue: string) => Effect.Effect<ReadonlyArray<Binding>, ManagementError.ManagementError>
  /** Returns the queues that an exchange of the virtual host leads to by their own names. An exchange that does not exist leads nowhere. */
  readonly boundByName: (exchange: string) => Effect.Effect<ReadonlyArray<string>, ManagementError.ManagementError>
  /** Returns all queues of the virtual host. RabbitMQ counts their messages every few seconds. */
  readonly queues: Effect.Effect<ReadonlyArray<ListedQueue>, ManagementError.ManagementError>
  /** Returns the queues that may keep so much only. RabbitMQ counts what they have every few seconds. */
  readonly limits: Effect.Effect<ReadonlyArray<QueueLimit.QueueLimit>, ManagementError.ManagementError>
  readonly featureFlags: Effect.Effect<ReadonlyArray<FeatureFlag>, ManagementError.ManagementError>
  /** Returns the memory limit of each node that runs. */
  readonly memory: Effect.Effect<ReadonlyArray<NodeMemory>, ManagementError.ManagementError>
}

/** In milliseconds. */
const timeout = 5000

const Bindings = Schema.Array(Schema.Struct({ source: Schema.String, routing_key: Schema.String }))
const Destinations = Schema.Array(
  Schema.Struct({ destination: Schema.String, destination_type: Schema.String, routing_key: Schema.String })
)
const FeatureFlags = Schema.Array(
  Schema.Struct({ name: Schema.String, state: Schema.String, stability: Schema.optional(Schema.String) })
)
/** A node that does not run has no limit. */
const Nodes = Schema.Array(Schema.Struct({ name: Schema.String, mem_limit: Schema.optional(Schema.Unknown) }))

/** Arguments or policies. Some versions of RabbitMQ write an empty list, or null, for none. */
const Definition = Schema.Unknown.pipe(Schema.optional)
const definitionOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {}
/** RabbitMQ has not counted the messages of a queue that was declared just now. */
const Queues = Schema.Array(
  Schema.Struct({
    name: Schema.String,
    messages_ready: Schema.optional(Schema.Finite),
    consumers: Schema.optional(Schema.Finite),
    arguments: Definition
  })
)
const Limits = Schema.Array(
  Schema.Struct({
    name: Schema.String,
    messages_ready: Schema.optional(Schema.Finite),
    message_bytes_ready: Schema.optional(Schema.Finite),
    arguments: Definition,
    effective_policy_definition: Definition
  })
)

const Refusal = Schema.Struct({ error: Schema.optional(Schema.Unknown), reason: Schema.optional(Schema.Unknown) })

/** Returns what an answer says about a refusal: `{"error":"not_authorized","reason":"Not management user"}`. */
const detailOf = (body: string): string | undefined =>
  Option.match(Schema.decodeOption(Schema.fromJsonString(Refusal))(body), {
    onNone: () => undefined,
    onSome: ({ error, reason }) => {
      const words = [error, reason].filter((part) => typeof part === "string" && part !== "")
      return words.length === 0 ? undefined : Fault.withoutCredentials(words.join(", ")).slice(0, 500)
    }
  })

const decodePart = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const fail = (reason: ManagementError.Reason) => new ManagementError.ManagementError({ reason })

const fromUrl = (url: URL, { endpoints: [endpoint] }: AmqpOptions.Settings): Management => {
  const address = url.host
  const username = decodePart(url.username) || endpoint.username
  const password = decodePart(url.password) || Redacted.value(endpoint.password)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`

  /** Returns the JSON at a path, or nothing where the answer is 404. */
  const get = Effect.fnUntraced(function* <A>(
    path: string,
    schema: Schema.ConstraintDecoder<A>
  ): Effect.fn.Return<Option.Option<A>, ManagementError.ManagementError> {
    const { body, status } = yield* Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(new URL(`${url.pathname.replace(/\/$/, "")}/api/${path}`, url.origin), {
          headers: { authorization },
          // Following a redirect would send the credentials to another place.
          redirect: "error",
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)])
        })
        return { status: response.status, body: await response.text() }
      },
      catch: () => fail(new ManagementError.NoAnswer({ address }))
    })
    if (status === 404) return Option.none()
    const detail = status === 200 ? undefined : detailOf(body)
    if (status === 401) return yield* fail(new ManagementError.LoginRejected({ address, username, detail }))
    const unexpected = fail(new ManagementError.UnexpectedAnswer({ address, path, status, detail }))
    if (status !== 200) return yield* unexpected
    const decoded = Schema.decodeEffect(Schema.fromJsonString(schema))(body)
    return yield* Effect.mapBoth(decoded, { onSuccess: Option.some, onFailure: () => unexpected })
  })

  return {
    bindings: (queue) =>
      Effect.map(
        get(`queues/${encodeURIComponent(endpoint.vhost)}/${encodeURIComponent(queue)}/bindings`, Bindings),
        (found) =>
          Option.getOrElse(found, () => [])
            .filter(({ source }) => source !== "")
            .map(({ routing_key, source }) => ({ exchange: source, key: routing_key }))
      ),
    boundByName: (exchange) =>
      Effect.map(
        get(
          `exchanges/${encodeURIComponent(endpoint.vhost)}/${encodeURIComponent(exchange)}/bindings/source`,
          Destinations
        ),
        (found) =>
          Option.getOrElse(found, () => []).flatMap(({ destination, destination_type, routing_key }) =>
            destination_type === "queue" && destination === routing_key ? [destination] : []
          )
      ),
    queues: Effect.map(
      get(`queues/${encodeURIComponent(endpoint.vhost)}?columns=name,messages_ready,consumers,arguments`, Queues),
      (found) =>
        Option.getOrElse(found, () => []).map(({ arguments: args, consumers = 0, messages_ready = 0, name }) => ({
          name,
          messages: messages_ready,
          consumers,
          arguments: definitionOf(args)
        }))
    ),
    limits: Effect.map(
      get(
        `queues/${encodeURIComponent(endpoint.vhost)}?columns=name,messages_ready,message_bytes_ready,arguments,effective_policy_definition`,
        Limits
      ),
      (found) =>
        Option.getOrElse(found, () => []).flatMap((queue) => {
          const limit = QueueLimit.make({
            name: queue.name,
            messages: queue.messages_ready ?? 0,
            bytes: queue.message_bytes_ready ?? 0,
            arguments: definitionOf(queue.arguments),
            policy: definitionOf(queue.effective_policy_definition)
          })
          return limit === undefined ? [] : [limit]
        })
    ),
    featureFlags: Effect.map(get("feature-flags", FeatureFlags), (found) =>
      Option.getOrElse(found, () => []).map(({ name, stability = "stable", state }) => ({ name, state, stability }))
    ),
    memory: Effect.map(get("nodes?columns=name,mem_limit", Nodes), (found) =>
      Option.getOrElse(found, () => []).flatMap(({ mem_limit: limit, name }) =>
        typeof limit === "number" ? [{ name, limit }] : []
      )
    )
  }
}

/**
 * Returns a client of the management API at a URL. The user and the password are those
 * of the URL, or else those of the AMQP connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  url: Redacted.Redacted,
  settings: AmqpOptions.Settings
): Effect.Effect<Management, ManagementError.ManagementError> => {
  const parsed = URL.parse(Redacted.value(url))
  return parsed?.protocol === "http:" || parsed?.protocol === "https:"
    ? Effect.succeed(fromUrl(parsed, settings))
    : Effect.fail(fail(new ManagementError.InvalidUrl()))
}

const address = Config.option(Config.Redacted("RABBITMQ_MANAGEMENT_URL"))

/**
 * Returns a client for `RABBITMQ_MANAGEMENT_URL`, if the configuration has it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = Effect.fnUntraced(function* (
  settings: AmqpOptions.Settings
): Effect.fn.Return<Option.Option<Management>, ManagementError.ManagementError | Config.ConfigError> {
  const url = yield* address
  return Option.isNone(url) ? Option.none() : Option.some(yield* make(url.value, settings))
})
