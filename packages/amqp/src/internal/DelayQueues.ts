/**
 * The wait queues of retries, declared when they are first needed.
 *
 * @internal
 */

import type { Reason } from "effect-eventbus/PublishError"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { AmqpConnection } from "../AmqpConnection.ts"
import * as AmqpDelay from "../AmqpDelay.ts"
import * as AmqpPublisher from "./AmqpPublisher.ts"

/** A wait queue that has been declared. */
export interface DelayQueue {
  readonly name: string
  /** The longest time that a message may wait in it, in milliseconds. */
  readonly longest: number
  /** Has it declared again the next time. */
  readonly forget: () => void
}

export interface DelayQueues {
  /** Declares the queue in which messages for a queue wait for a delay, unless that has been done. */
  readonly declared: (queue: string, delay: number) => Effect.Effect<DelayQueue, Reason>
}

/** Makes the wait queues of a broker. */
export const make = (connection: AmqpConnection): DelayQueues => {
  const known = new Map<string, DelayQueue>()
  const declaring = new Map<string, Semaphore.Semaphore>()

  const declare = (queue: string, tier: number, name: string): Effect.Effect<DelayQueue, Reason> =>
    Effect.suspend(() => {
      const found = known.get(name)
      if (found !== undefined) return Effect.succeed(found)
      const declared = { name, longest: AmqpDelay.longestWait(tier), forget: () => void known.delete(name) }
      return Effect.flatMap(connection.live, (live) => AmqpDelay.declare(live, queue, tier)).pipe(
        Effect.mapError(AmqpPublisher.fromBroker),
        Effect.map(() => {
          known.set(name, declared)
          return declared
        })
      )
    })

  return {
    declared: (queue, delay) =>
      Effect.suspend(() => {
        const tier = AmqpDelay.delayTier(delay)
        const { name } = AmqpDelay.waitQueue(queue, tier, connection.settings)
        const found = known.get(name)
        if (found !== undefined) return Effect.succeed(found)
        // One at a time: RabbitMQ hands out a queue that another is still declaring before it knows its arguments.
        const turn = declaring.get(queue) ?? Semaphore.makeUnsafe(1)
        declaring.set(queue, turn)
        return turn.withPermits(1)(declare(queue, tier, name))
      })
  }
}
