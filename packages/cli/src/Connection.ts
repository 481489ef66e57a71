/**
 * The bus that a command works on.
 *
 * @since 0.1.0
 */

import type { AmqpConnection, AmqpOptions } from "@effect-eventbus/amqp"
import type { Broker } from "effect-eventbus/Broker"
import type { BrokerError, Reason } from "effect-eventbus/BrokerError"
import type { EventBus } from "effect-eventbus/EventBus"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Modules from "./Modules.ts"

/** A service waits for a broker that is about to start; a person does not. */
const connectionTimeout = "3 seconds"
const connectionName = "eventbus (command line)"

const definedIn = <Options extends object>(options: Options): Partial<Options> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<Options>

/**
 * How to reach the RabbitMQ that the environment names, and how to use it: where
 * the environment says nothing, as a contract does.
 *
 * @category configuration
 * @since 0.1.0
 */
export const settings = (contract: AmqpOptions.Options = {}): Effect.Effect<AmqpOptions.Settings, Config.ConfigError> =>
  Effect.gen(function* () {
    const { AmqpOptions } = yield* Modules.amqp
    const options = yield* AmqpOptions.config
    return AmqpOptions.settings({ connectionTimeout, connectionName, ...contract, ...definedIn(options) })
  })

/**
 * A connection to ask things on, as low as RabbitMQ's own terms.
 *
 * @category constructors
 * @since 0.1.0
 */
export const live = (
  settings: AmqpOptions.Settings,
  role: "publish" | "consume"
): Effect.Effect<AmqpConnection.Live, BrokerError, Scope.Scope> =>
  Effect.gen(function* () {
    const { AmqpConnection } = yield* Modules.amqp
    const connection = yield* AmqpConnection.make(settings, role)
    return yield* connection.live
  }).pipe(asked)

/**
 * Says of what RabbitMQ was asked why it could not be done.
 *
 * @category combinators
 * @since 0.1.0
 */
export const asked = <A, R>(self: Effect.Effect<A, Reason, R>): Effect.Effect<A, BrokerError, R> =>
  Effect.catch(self, (reason) =>
    Effect.flatMap(Modules.eventbus, ({ BrokerError }) => Effect.fail(new BrokerError.BrokerError({ reason })))
  )

/**
 * The bus on the RabbitMQ that the environment names. It connects when it is
 * built, and fails when that cannot be done.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAmqp: Layer.Layer<EventBus | Broker, BrokerError | Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    const { EventBus } = yield* Modules.eventbus
    const { AmqpBroker, AmqpOptions } = yield* Modules.amqp
    const options = yield* AmqpOptions.config
    const broker = AmqpBroker.layer({ connectionTimeout, connectionName, ...definedIn(options) })
    return Layer.provideMerge(EventBus.layer, broker)
  })
)

/**
 * A bus in the memory of this process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<EventBus | Broker> = Layer.unwrap(
  Effect.map(Modules.eventbus, ({ EventBus, MemoryBroker }) => Layer.provideMerge(EventBus.layer, MemoryBroker.layer()))
)

/**
 * The variables that say where the broker is, and what each is for.
 *
 * @category configuration
 * @since 0.1.0
 */
export const variables: ReadonlyArray<readonly [name: string, meaning: string]> = [
  ["RABBITMQ_HOST", "Where the broker is [localhost]"],
  ["RABBITMQ_PORT", "Its port [5672]"],
  ["RABBITMQ_USER", "The user name [guest]"],
  ["RABBITMQ_PASSWORD", "The password [guest]"],
  ["RABBITMQ_VHOST", "The virtual host [/]"],
  ["RABBITMQ_EXCHANGE", "The exchange of the events [agent_events]"],
  ["RABBITMQ_URL", "Instead: amqp(s):// URLs, with commas between"],
  ["RABBITMQ_MANAGEMENT_URL", "Its management API, for what AMQP does not tell"],
  ["RABBITMQ_CONNECTION_TIMEOUT", "How many seconds it may take to connect [3]"]
]
