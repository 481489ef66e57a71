/**
 * RabbitMQ's management API, for what it does not tell over AMQP. Nothing needs it:
 * where `RABBITMQ_MANAGEMENT_URL` is not set, it is not asked.
 *
 * @since 0.1.0
 */

import type { AmqpOptions } from "@effect-eventbus/amqp"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { CommandFailed, UsageError } from "./Problem.ts"

/**
 * A way by which events come to a queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Binding {
  readonly exchange: string
  readonly key: string
}

/**
 * Something that RabbitMQ can do once every node of a cluster can.
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
 * RabbitMQ's management API.
 *
 * @category models
 * @since 0.1.0
 */
export interface Management {
  /** What a queue is bound to, but for the default exchange; nothing, where there is no such queue. */
  readonly bindings: (queue: string) => Effect.Effect<ReadonlyArray<Binding>, CommandFailed>
  readonly featureFlags: Effect.Effect<ReadonlyArray<FeatureFlag>, CommandFailed>
}

const timeout = 5000

const Bindings = Schema.Array(Schema.Struct({ source: Schema.String, routing_key: Schema.String }))
const FeatureFlags = Schema.Array(
  Schema.Struct({ name: Schema.String, state: Schema.String, stability: Schema.optional(Schema.String) })
)

const address = Config.option(Config.Redacted("RABBITMQ_MANAGEMENT_URL"))

const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const make = (url: URL, { endpoints: [endpoint] }: AmqpOptions.Settings): Management => {
  const user = decoded(url.username) || endpoint.username
  const password = decoded(url.password) || Redacted.value(endpoint.password)
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
  const failed = (why: string) => new CommandFailed({ message: `The management API at ${url.host} ${why}` })

  /** The JSON at a path, or nothing where there is none. */
  const get = <A>(path: string, schema: Schema.ConstraintDecoder<A>): Effect.Effect<Option.Option<A>, CommandFailed> =>
    Effect.gen(function* () {
      const { body, status } = yield* Effect.tryPromise({
        try: async (signal) => {
          const response = await fetch(new URL(`${url.pathname.replace(/\/$/, "")}/api/${path}`, url.origin), {
            headers: { authorization },
            // A redirect would be given the credentials, wherever it leads.
            redirect: "error",
            signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)])
          })
          return { status: response.status, body: await response.text() }
        },
        catch: () => failed("does not answer")
      })
      if (status === 404) return Option.none()
      if (status === 401) return yield* failed(`refuses the login of "${user}"`)
      if (status !== 200) return yield* failed(`answers ${path} with ${status}`)
      const decoded = Schema.decodeEffect(Schema.fromJsonString(schema))(body)
      return yield* Effect.mapBoth(decoded, {
        onSuccess: Option.some,
        onFailure: () => failed(`answers ${path} with something unknown`)
      })
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
    featureFlags: Effect.map(get("feature-flags", FeatureFlags), (found) =>
      Option.getOrElse(found, () => []).map(({ name, stability = "stable", state }) => ({ name, state, stability }))
    )
  }
}

/**
 * The management API that the environment names, if it names one. The user is that
 * of the URL, or of the connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromEnvironment = (
  settings: AmqpOptions.Settings
): Effect.Effect<Option.Option<Management>, UsageError | Config.ConfigError> =>
  Effect.flatMap(address, (found) => {
    if (Option.isNone(found)) return Effect.succeedNone
    const url = URL.parse(Redacted.value(found.value))
    return url?.protocol === "http:" || url?.protocol === "https:"
      ? Effect.succeedSome(make(url, settings))
      : Effect.fail(
          new UsageError({ message: "RABBITMQ_MANAGEMENT_URL: it looks like http://user:password@host:15672" })
        )
  })
