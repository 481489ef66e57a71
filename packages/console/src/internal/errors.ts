/**
 * Errors of the bus as those of the console.
 *
 * @internal
 */

import type { BrokerError } from "effect-eventbus/BrokerError"
import type { PublishError } from "effect-eventbus/PublishError"
import * as Effect from "effect/Effect"
import { BrokerFailed, Invalid } from "../ConsoleError.ts"

export const fromBroker = ({ isRetryable, message, reason }: BrokerError | PublishError): BrokerFailed =>
  new BrokerFailed({ reason: reason._tag, isRetryable, message })

/** Fails as the console does where the broker failed. */
export const orBrokerFailed = <A, E extends BrokerError | PublishError, R>(self: Effect.Effect<A, E, R>) =>
  Effect.mapError(self, fromBroker)

export const invalid = (message: string): Invalid => new Invalid({ issues: [], message })
