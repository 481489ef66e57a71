/**
 * With what a queue was declared, found out without changing it.
 *
 * AMQP has no question for that. But a declaration that differs from the queue that
 * is there is refused with the first argument that differs, and what it is on the
 * queue; so a few of them, each corrected by the one before, tell everything.
 *
 * @since 0.1.0
 */

import { Refused } from "effect-eventbus/BrokerError"
import type { Reason } from "effect-eventbus/BrokerError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as AmqpChannel from "./AmqpChannel.ts"
import type { Live } from "./AmqpConnection.ts"
import * as AmqpError from "./AmqpError.ts"
import type { Settings } from "./AmqpOptions.ts"
import type { Declaration } from "./AmqpTopology.ts"

/**
 * What a queue was declared with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Declared {
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly arguments: Readonly<Record<string, string | number | boolean>>
}

/** More than there are arguments. */
const maxRefusals = 30

const corrected = (declared: Declared, { argument, current }: AmqpError.Difference): Declared => {
  if (argument === "durable") return { ...declared, durable: current === "true" }
  if (argument === "auto_delete") return { ...declared, autoDelete: current === "true" }
  const { [argument]: wrong, ...others } = declared.arguments
  if (current === undefined) return { ...declared, arguments: others }
  // Values of one type are told without it.
  const value = typeof wrong === "number" && typeof current === "string" ? Number(current) : current
  return { ...declared, arguments: { ...others, [argument]: value } }
}

/**
 * Finds out what a queue was declared with, from a guess. The queue must be there:
 * one that is not would be made, as the guess says. Arguments that mean nothing to
 * a queue of its type stay as they are guessed.
 *
 * @category running
 * @since 0.1.0
 */
export const learn = Effect.fnUntraced(function* (
  live: Live,
  settings: Settings,
  { name, ...guess }: Declaration
): Effect.fn.Return<Declared, Reason> {
  const operation = `find out how the queue "${name}" was declared`
  let declared: Declared = { durable: guess.durable, autoDelete: false, arguments: guess.arguments }
  for (let i = 0; i < maxRefusals; i++) {
    const refusal = yield* Effect.scoped(
      Effect.gen(function* () {
        const channel = yield* AmqpChannel.open(live, settings.connectionTimeout)
        const reason = yield* channel
          .ask(operation, (amqp) => amqp.assertQueue(name, declared))
          .pipe(Effect.as(undefined), Effect.catchTag("TopologyMismatch", Effect.succeed))
        return reason && { reason, difference: AmqpError.differenceOf(yield* Deferred.await(channel.closed)) }
      })
    )
    if (refusal === undefined) return declared
    if (refusal.difference === undefined) return yield* new Refused({ operation, detail: refusal.reason.message })
    declared = corrected(declared, refusal.difference)
  }
  return yield* new Refused({ operation, detail: "the broker does not say" })
})
