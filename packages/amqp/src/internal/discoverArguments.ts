/**
 * Discovers the arguments of an existing queue or exchange without modifying it.
 *
 * AMQP has no question for that. But a declaration that differs from what is there
 * is refused with the first argument that differs, and what it is; so a few of them,
 * each corrected by the one before, tell everything.
 *
 * @since 0.1.0
 */

import type { Channel } from "amqplib"
import { Refused } from "effect-eventbus/BrokerError"
import type { Reason, TopologyMismatch } from "effect-eventbus/BrokerError"
import * as Effect from "effect/Effect"
import type { Live } from "../AmqpConnection.ts"
import type { Settings } from "../AmqpOptions.ts"
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
  settings: Settings,
  what: string,
  guess: D,
  declare: (channel: Channel, declared: D) => Promise<unknown>,
  correct: (declared: D, mismatch: TopologyMismatch) => D
): Effect.fn.Return<D, Reason> {
  const operation = `find out how the ${what} was declared`
  const known = new Set<string>()
  let declared = guess
  for (;;) {
    const mismatch = yield* AmqpChannel.throwaway(live, settings.connectionTimeout, (ask) =>
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
 * Finds out what a queue was declared with, from a guess. The queue must be there:
 * one that is not would be made, as the guess says. Arguments that mean nothing to
 * a queue of its type stay as they are guessed.
 *
 * @category running
 * @since 0.1.0
 */
export const learn = (
  live: Live,
  settings: Settings,
  { name, ...guess }: Declaration
): Effect.Effect<Declared, Reason> =>
  learned<Declared>(
    live,
    settings,
    `queue "${name}"`,
    { durable: guess.durable, autoDelete: false, arguments: guess.arguments },
    (channel, declared) => channel.assertQueue(name, declared),
    corrected
  )

/**
 * Finds out what an exchange was declared with, from a guess. It must be there, or
 * it would be made.
 *
 * @category running
 * @since 0.1.0
 */
export const learnExchange = (
  live: Live,
  settings: Settings,
  name: string,
  guess: DeclaredExchange
): Effect.Effect<DeclaredExchange, Reason> =>
  learned<DeclaredExchange>(
    live,
    settings,
    `exchange "${name}"`,
    guess,
    (channel, { type, ...declared }) => channel.assertExchange(name, type, declared),
    correctedExchange
  )
