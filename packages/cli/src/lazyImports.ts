/**
 * What a command needs only once it runs. `--help` does without, and is there
 * at once.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"

/**
 * The event types of the agent platform.
 *
 * @category modules
 * @since 0.1.0
 */
export const agents = Effect.promise(() => import("@effect-eventbus/agents"))

/**
 * The bus.
 *
 * @category modules
 * @since 0.1.0
 */
export const eventbus = Effect.promise(() => import("effect-eventbus"))

/**
 * The broker on RabbitMQ, and its driver.
 *
 * @category modules
 * @since 0.1.0
 */
export const amqp = Effect.promise(() => import("@effect-eventbus/amqp"))
