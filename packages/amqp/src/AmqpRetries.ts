/**
 * The events of a queue that wait for a retry, for tools that show them or retry them at
 * once.
 *
 * RabbitMQ does not list its queues over AMQP, but the names of wait queues can be known: there is
 * one for each of a few dozen delays.
 *
 * @since 0.1.0
 */

import type { ConsumeMessage } from "amqplib"
import type { Browser } from "effect-eventbus/Broker"
import { BrokerError, ConnectionFailed } from "effect-eventbus/BrokerError"
import type { Reason } from "effect-eventbus/BrokerError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Live } from "./AmqpConnection.ts"
import * as AmqpDelay from "./AmqpDelay.ts"
import * as AmqpQueue from "./AmqpQueue.ts"
import { linger } from "./internal/AmqpAcknowledger.ts"
import * as AmqpChannel from "./internal/AmqpChannel.ts"
import * as AmqpMessage from "./internal/AmqpMessage.ts"

/**
 * A queue in which events wait for a retry.
 *
 * @category models
 * @since 0.1.0
 */
export interface WaitQueue {
  readonly name: string
  /** The time that each event waits in it, in milliseconds. */
  readonly delay: number
  readonly messages: number
}

/** Each question takes a channel of its own. */
const concurrency = 8

/**
 * Returns the wait queues of a queue that exist, the shortest delay first. Their messages
 * are counted, and none is taken.
 *
 * @category getters
 * @since 0.1.0
 */
export const waitQueues = (
  live: Live,
  queue: string
): Effect.Effect<ReadonlyArray<WaitQueue>, Exclude<Reason, { readonly _tag: "NotFound" }>> =>
  Effect.map(
    Effect.forEach(
      AmqpDelay.delayTiers,
      (delay) => {
        const { name } = AmqpDelay.waitQueue(queue, delay, live.settings)
        return Effect.map(
          AmqpQueue.info(live, name),
          Option.map(({ messages }) => ({ name, delay, messages }))
        )
      },
      { concurrency }
    ),
    (found) => found.flatMap(Option.toArray)
  )

/** How long to wait between two looks at a queue from which fewer came than expected, in milliseconds. */
const lookInterval = 10

/**
 * Takes events out of a wait queue, the ones that are due first. When the scope closes,
 * those that were not removed are back in their places.
 *
 * **Details**
 *
 * Measured on RabbitMQ 3.10: an event that is put back by a reject goes to the end of the
 * queue, and is late by up to the whole delay. On 3.10 and 4.3 alike: if its channel closes instead, it keeps
 * its place and its time. So hold events for moments only: those that are due meanwhile
 * are retried when the scope closes. The others are not held up.
 *
 * **Gotchas**
 *
 * RabbitMQ 4 counts how often an event was taken. It retries it at once when it is taken for
 * the 21st time.
 *
 * @category running
 * @since 0.1.0
 */
export const open = Effect.fnUntraced(function* (
  live: Live,
  { messages: waiting, name }: WaitQueue
): Effect.fn.Return<Pick<Browser, "waiting" | "take">, Reason, Scope.Scope> {
  const clock = yield* Clock.Clock
  const { ask, channel } = yield* AmqpChannel.open(live)
  let removedAt: number | undefined
  // A quorum queue must have seen the last acknowledgements before the channel closes.
  yield* Effect.addFinalizer(() =>
    removedAt === undefined ? Effect.void : linger(removedAt, clock.currentTimeMillisUnsafe())
  )

  const remove = (message: ConsumeMessage) =>
    Effect.suspend(() => {
      try {
        channel.ack(message)
      } catch {
        // amqplib throws on a channel that is closed.
        const reason = new ConnectionFailed({ address: live.address, detail: "the channel is closed" })
        return Effect.fail(new BrokerError({ reason }))
      }
      removedAt = clock.currentTimeMillisUnsafe()
      return Effect.void
    })

  const take = Effect.fnUntraced(function* (atMost: number) {
    const taken: Array<ConsumeMessage> = []
    const full = Deferred.makeUnsafe<void>()
    const receive = (message: ConsumeMessage | null) => {
      if (message === null) return
      taken.push(message)
      if (taken.length === atMost) Deferred.doneUnsafe(full, Effect.void)
    }
    yield* ask(`prefetch ${atMost}`, (channel) => channel.prefetch(atMost))
    const { consumerTag } = yield* ask(`look into "${name}"`, (channel) => channel.consume(name, receive))
    const isEmpty = Effect.repeat(
      Effect.map(
        ask(`look at the queue "${name}"`, (channel) => channel.checkQueue(name)),
        ({ messageCount }) => messageCount === 0
      ),
      { until: (isEmpty) => isEmpty, schedule: Schedule.spaced(lookInterval) }
    )
    yield* Effect.raceFirst(Deferred.await(full), isEmpty).pipe(Effect.timeoutOption(live.settings.connectionTimeout))
    // Everything that is on its way comes before the answer.
    yield* ask(`cancel a look into "${name}"`, (channel) => channel.cancel(consumerTag))
    return taken.map((message) => ({
      envelope: AmqpMessage.toEnvelope(message, name, () => clock.currentTimeMillisUnsafe()),
      remove: remove(message)
    }))
  })

  return {
    waiting,
    take: (atMost) => Effect.mapError(take(atMost), (reason) => new BrokerError({ reason }))
  }
})
