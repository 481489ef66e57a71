/**
 * A connection to RabbitMQ for inspecting it.
 *
 * @since 0.1.0
 */

import { AmqpConnection } from "@effect-eventbus/amqp"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import { BrokerError, type Reason } from "effect-eventbus/BrokerError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Makes a connection that comes back when it is lost. It closes with its scope. The
 * returned effect waits for it to be up, for the settings' `connectionTimeout` at most.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  settings: AmqpOptions.Settings,
  role: "publish" | "consume"
): Effect.Effect<Effect.Effect<AmqpConnection.Live, BrokerError>, BrokerError, Scope.Scope> =>
  Effect.map(asBrokerError(AmqpConnection.make(settings, role)), ({ live }) => asBrokerError(live))

/**
 * Opens a connection, which closes with its scope. It fails when no connection can be
 * made within the settings' `connectionTimeout`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = (
  settings: AmqpOptions.Settings,
  role: "publish" | "consume"
): Effect.Effect<AmqpConnection.Live, BrokerError, Scope.Scope> => Effect.flatten(make(settings, role))

/**
 * Wraps the reason of a failure in a `BrokerError`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const asBrokerError = <A, R>(self: Effect.Effect<A, Reason, R>): Effect.Effect<A, BrokerError, R> =>
  Effect.mapError(self, (reason) => new BrokerError({ reason }))
