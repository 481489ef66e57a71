/**
 * The events of a queue that wait for a retry: how many, which ones are due next, and how
 * to retry them at once.
 *
 * @since 0.1.0
 */

import { AmqpRetries } from "@effect-eventbus/amqp"
import type { AmqpConnection } from "@effect-eventbus/amqp"
import type { Broker, Browsed } from "effect-eventbus/Broker"
import type { BrokerError } from "effect-eventbus/BrokerError"
import type { Envelope } from "effect-eventbus/Envelope"
import type * as PublishError from "effect-eventbus/PublishError"
import * as Effect from "effect/Effect"
import * as BrokerConnection from "./BrokerConnection.ts"

/**
 * An event that waits for a retry.
 *
 * @category models
 * @since 0.1.0
 */
export interface Waiting {
  readonly envelope: Envelope
  /** The delay that it waits for, in milliseconds. */
  readonly delay: number
  /** Milliseconds since 1970, by the clock of the host on which it failed. `undefined` where the event has no fault. */
  readonly dueAt: number | undefined
}

/**
 * The events of a queue that wait for a retry.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retries {
  /** The number of events for each delay, the shortest delay first. */
  readonly delays: ReadonlyArray<{ readonly delay: number; readonly messages: number }>
  /** The events that are due next, the first one first. */
  readonly next: ReadonlyArray<Waiting>
}

/**
 * The outcome of `retryNow`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retried {
  /** The number of events that waited at the start. */
  readonly waiting: number
  /** The number that is in its queue now. The others became due meanwhile, or still wait. */
  readonly retried: number
  /** Why it ended early. */
  readonly failure: PublishError.Reason | undefined
}

const waitQueues = (live: AmqpConnection.Live, queue: string) =>
  Effect.map(BrokerConnection.asBrokerError(AmqpRetries.waitQueues(live, queue)), (waits) =>
    waits.filter(({ messages }) => messages > 0)
  )

/**
 * Returns the number of events of a queue that wait for a retry. It takes none of them.
 *
 * @category getters
 * @since 0.1.0
 */
export const count = (live: AmqpConnection.Live, queue: string): Effect.Effect<number, BrokerError> =>
  Effect.map(waitQueues(live, queue), (waits) => waits.reduce((sum, { messages }) => sum + messages, 0))

/** RabbitMQ keeps track of each event that is held. */
const mostHeld = 1000

const isMissing = ({ reason }: BrokerError): boolean => reason._tag === "NotFound"

/** Uses the events of a wait queue, which are back in their places afterwards unless they were removed. */
const using = <A>(
  live: AmqpConnection.Live,
  wait: AmqpRetries.WaitQueue,
  none: A,
  use: (take: (atMost: number) => Effect.Effect<ReadonlyArray<Browsed>, BrokerError>) => Effect.Effect<A, BrokerError>
): Effect.Effect<A, BrokerError> =>
  BrokerConnection.asBrokerError(AmqpRetries.open(live, wait)).pipe(
    Effect.flatMap(({ take }) => use(take)),
    Effect.scoped,
    // Its last event may have left since, and the queue with it.
    Effect.catchIf(isMissing, () => Effect.succeed(none))
  )

const dueOf = (envelope: Envelope, delay: number): number | undefined =>
  envelope.fault === undefined ? undefined : envelope.fault.lastFailedAt + delay

/**
 * Returns the events of a queue that wait for a retry, with those that are due next, at
 * most so many.
 *
 * **Gotchas**
 *
 * The next events are held for a moment while they are read. RabbitMQ 4 counts this, and
 * retries an event at once that is read for the 21st time. With `atMost` 0 none is read, and
 * of each delay 1000 at most.
 *
 * @category constructors
 * @since 0.1.0
 */
export const look = Effect.fnUntraced(function* (
  live: AmqpConnection.Live,
  queue: string,
  atMost: number
): Effect.fn.Return<Retries, BrokerError> {
  const waits = yield* waitQueues(live, queue)
  const none: ReadonlyArray<Waiting> = []
  const found = yield* Effect.forEach(atMost > 0 ? waits : [], (wait) =>
    using(live, wait, none, (take) =>
      Effect.map(take(Math.min(atMost, wait.messages, mostHeld)), (taken) =>
        taken.map(({ envelope }) => ({ envelope, delay: wait.delay, dueAt: dueOf(envelope, wait.delay) }))
      )
    )
  )
  return {
    delays: waits.map(({ delay, messages }) => ({ delay, messages })),
    next: found
      .flat()
      .toSorted((a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0))
      .slice(0, atMost)
  }
})

/** As many events may be handled twice if the process is killed. */
const batchSize = 32

/**
 * Puts the events of a queue that wait for a retry into their queue at once, as the same
 * attempt that they wait for. Each is safe there before it leaves its wait queue.
 *
 * @category running
 * @since 0.1.0
 */
export const retryNow = Effect.fnUntraced(function* (
  live: AmqpConnection.Live,
  { put }: Pick<Broker["Service"], "put">,
  queue: string
): Effect.fn.Return<Retried, BrokerError> {
  const waits = yield* waitQueues(live, queue)
  const moved: { retried: number; failure: PublishError.Reason | undefined } = { retried: 0, failure: undefined }

  const move = ({ envelope, remove }: Browsed): Effect.Effect<void, BrokerError> =>
    Effect.matchEffect(put(queue, envelope), {
      onFailure: (reason) => Effect.sync(() => void (moved.failure ??= reason)),
      onSuccess: () => Effect.map(remove, () => void moved.retried++)
    })

  for (const wait of waits) {
    yield* using(
      live,
      wait,
      undefined,
      Effect.fnUntraced(function* (take) {
        let left = wait.messages
        while (left > 0 && moved.failure === undefined) {
          const taken = yield* take(Math.min(batchSize, left))
          if (taken.length === 0) return
          left -= taken.length
          // An interruption in between would leave a duplicate.
          yield* Effect.uninterruptible(Effect.forEach(taken, move, { concurrency: batchSize, discard: true }))
        }
      })
    )
    if (moved.failure !== undefined) break
  }
  return { waiting: waits.reduce((sum, { messages }) => sum + messages, 0), ...moved }
})
