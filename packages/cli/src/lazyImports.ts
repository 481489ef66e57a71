/**
 * The modules that a command loads only when it runs. `--help` does without them, so
 * it is fast.
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
 * The broker on RabbitMQ, with its driver.
 *
 * @category modules
 * @since 0.1.0
 */
export const amqp = Effect.promise(() => import("@effect-eventbus/amqp"))

/**
 * Sealed bodies and their stores.
 *
 * @category modules
 * @since 0.1.0
 */
export const bodies = Effect.promise(() => import("@effect-eventbus/bodies"))

/**
 * Contracts, topology reports, diagnoses and traces, as data.
 *
 * @category modules
 * @since 0.1.0
 */
export const inspect = Effect.promise(() => import("@effect-eventbus/inspect"))

/**
 * The console, with its server.
 *
 * @category modules
 * @since 0.1.0
 */
export const console = Effect.promise(() => import("@effect-eventbus/console"))

/**
 * Outbox, inbox and scheduler.
 *
 * @category modules
 * @since 0.1.0
 */
export const sql = Effect.promise(() => import("@effect-eventbus/sql"))

/**
 * The client of PostgreSQL.
 *
 * @category modules
 * @since 0.1.0
 */
export const postgres = Effect.promise(() => import("@effect/sql-pg/PgClient"))
