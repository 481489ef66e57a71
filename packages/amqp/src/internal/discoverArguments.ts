/**
 * Discovers the arguments of an existing queue or exchange without modifying it.
 *
 * AMQP has no request for that. But RabbitMQ refuses a declaration that differs, and
 * names the first argument that differs and its value. So a few declarations, each
 * corrected by the answer to the one before, reveal all arguments.
 *
 * @since 0.1.0
 */

import type { Channel } from "amqplib"
import { Refused } from "effect-eventbus/BrokerError"
import type { Reason, TopologyMismatch } from "effect-eventbus/BrokerError"
import * as Effect from "effect/Effect"
import type { Live } from "../AmqpConnection.ts"
import type { Declaration } from "../AmqpTopology.ts"
import * as AmqpChannel from "./AmqpChannel.ts"

/**
 * The arguments that a queue was declared with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Declared {
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly arguments: Readonly<Record<string, string | number | boolean>>
}

/**
 * The arguments that an exchange was declared with.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeclaredExchange extends Declared {
  readonly type: string
  readonly internal: boolean
}

const corrected = <D extends Declared>(declared: D, { argument, current }: TopologyMismatch): D => {
  if (argument === "durable") return { ...declared, durable: current === true }
  if (argument === "auto_delete") return { ...declared, autoDelete: current === true }
  const { [argument]: wrong, ...others } = declared.arguments
  if (current === undefined) return { ...declared, arguments: others }
  // Two texts of digits alone pass for numbers: values of one type are told without it.
  const value = typeof wrong === "string" ? String(current) : current
  return { ...declared, arguments: { ...others, [argument]: value } }
}

const correctedExchange = (declared: DeclaredExchange, mismatch: TopologyMismatch): DeclaredExchange => {
  if (mismatch.argument === "type") return { ...declared, type: String(mismatch.current) }
  if (mismatch.argument === "internal") return { ...declared, internal: mismatch.current === true }
  return corrected(declared, mismatch)
}

const learned = Effect.fnUntraced(function* <D>(
  live: Live,

  what: string,
  guess: D,
  declare: (channel: Channel, declared: D) => Promise<unknown>,
  correct: (declared: D, mismatch: TopologyMismatch) => D
): Effect.fn.Return<D, Reason> {
  const operation = `find out how the ${what} was declared`
  const known = new Set<string>()
  let declared = guess
  for (;;) {
    const mismatch = yield* AmqpChannel.throwaway(live, (ask) =>
      ask(operation, (channel) => declare(channel, declared)).pipe(
        Effect.as(undefined),
        Effect.catchTag("TopologyMismatch", Effect.succeed)
      )
    )
    if (mismatch === undefined) return declared
    // What is named again was not understood, so there is no way past it.
    if (known.has(mismatch.argument)) return yield* new Refused({ operation, detail: mismatch.message })
    known.add(mismatch.argument)
    declared = correct(declared, mismatch)
  }
})

/**
 * Finds out the arguments of a queue, starting from a guess. The queue must exist, or
 * it would be created as guessed. Arguments that have no meaning for a queue of its
 * type stay as guessed.
 *
 * @category running
 * @since 0.1.0
 */
export const learn = (
  live: Live,

  { name, ...guess }: Declaration
): Effect.Effect<Declared, Reason> =>
  learned<Declared>(
    live,
    `queue "${name}"`,
    { durable: guess.durable, autoDelete: false, arguments: guess.arguments },
    (channel, declared) => channel.assertQueue(name, declared),
    corrected
  )

/**
 * Finds out the arguments of an exchange, starting from a guess. The exchange must
 * exist, or it would be created.
 *
 * @category running
 * @since 0.1.0
 */
export const learnExchange = (
  live: Live,

  name: string,
  guess: DeclaredExchange
): Effect.Effect<DeclaredExchange, Reason> =>
  learned<DeclaredExchange>(
    live,
    `exchange "${name}"`,
    guess,
    (channel, { type, ...declared }) => channel.assertExchange(name, type, declared),
    correctedExchange
  )
