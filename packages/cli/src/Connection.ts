/**
 * The broker and the bus that a command uses.
 *
 * @since 0.1.0
 */

import type { AmqpOptions } from "@effect-eventbus/amqp"
import type { Broker } from "effect-eventbus/Broker"
import type { BrokerError } from "effect-eventbus/BrokerError"
import type { EventBus } from "effect-eventbus/EventBus"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as lazyImports from "./lazyImports.ts"

/** Shorter than the default: a service waits for a broker to start, a person does not. */
const connectionTimeout = "3 seconds"
const connectionName = "eventbus (command line)"

/** Returns the options that are set. */
const definedIn = <Options extends object>(options: Options): Partial<Options> => {
  const defined: Partial<Options> = {}
  for (const key in options) if (options[key] !== undefined) defined[key] = options[key]
  return defined
}

/**
 * Returns the settings of the environment's RabbitMQ. A contract provides the options
 * that the environment does not set.
 *
 * @category configuration
 * @since 0.1.0
 */
export const settings = (contract: AmqpOptions.Options = {}): Effect.Effect<AmqpOptions.Settings, Config.ConfigError> =>
  Effect.gen(function* () {
    const { AmqpOptions } = yield* lazyImports.amqp
    const options = yield* AmqpOptions.config
    return AmqpOptions.settings({ connectionTimeout, connectionName, ...contract, ...definedIn(options) })
  })

/**
 * The bus on the environment's RabbitMQ. It connects when it is built, and fails when
 * the connection fails.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAmqp: Layer.Layer<EventBus | Broker, BrokerError | Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    const { EventBus } = yield* lazyImports.eventbus
    const { AmqpBroker, AmqpOptions } = yield* lazyImports.amqp
    const options = yield* AmqpOptions.config
    const broker = AmqpBroker.layer({ connectionTimeout, connectionName, ...definedIn(options) })
    return Layer.provideMerge(EventBus.layer, broker)
  })
)

/**
 * A broker on the environment's RabbitMQ, for looking at queues. It declares nothing.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLooking = (contract: AmqpOptions.Options): Layer.Layer<Broker, BrokerError | Config.ConfigError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { AmqpBroker, AmqpOptions } = yield* lazyImports.amqp
      const options = yield* AmqpOptions.config
      return AmqpBroker.layer({
        connectionTimeout,
        connectionName,
        ...contract,
        ...definedIn(options),
        topology: "none"
      })
    })
  )

/**
 * A bus in the memory of this process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<EventBus | Broker> = Layer.unwrap(
  Effect.map(lazyImports.eventbus, ({ EventBus, MemoryBroker }) =>
    Layer.provideMerge(EventBus.layer, MemoryBroker.layer())
  )
)

/**
 * The environment variables that locate the broker, with their meanings.
 *
 * @category configuration
 * @since 0.1.0
 */
export const variables: ReadonlyArray<readonly [name: string, meaning: string]> = [
  ["RABBITMQ_HOST", "Host of the broker [localhost]"],
  ["RABBITMQ_PORT", "Port [5672]"],
  ["RABBITMQ_USER", "User name [guest]"],
  ["RABBITMQ_PASSWORD", "Password [guest]"],
  ["RABBITMQ_VHOST", "Virtual host [/]"],
  ["RABBITMQ_EXCHANGE", "Exchange of the events [agent_events]"],
  ["RABBITMQ_URL", "Alternative: amqp(s):// URLs, comma-separated"],
  ["RABBITMQ_MANAGEMENT_URL", "Management API, for bindings and all queues"],
  ["RABBITMQ_CONNECTION_TIMEOUT", "Seconds to wait for a connection [3]"]
]
