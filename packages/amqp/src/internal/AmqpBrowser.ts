/**
 * Browses a queue without changing it.
 *
 * RabbitMQ cannot browse. It can only hand out messages and take them back. Measured
 * on 3.10, only the following way does no harm.
 *
 * - Each return counts against the delivery limit of a quorum queue. Beyond it the
 *   message is dropped, so the limit must be out of reach: see `AmqpTopology`.
 * - A quorum queue puts returned messages behind those that were returned before, and
 *   both before the rest. So all messages that were returned before are taken, too.
 * - Up to 32 messages that one command returns keep their order. Those of several
 *   commands keep it if only one command is in flight. So each consumer takes at most
 *   32 messages, and each return waits for an answer before the next.
 * - `basic.get` takes a hundred times as long as a consumer.
 * - Two browsers of a queue would see a part each, so that each holds a lock: see `LookLock`.
 * - A quorum queue that does not answer within 250 milliseconds is said to have no messages
 *   and no consumers. So "none" counts only where our own consumer is counted, too.
 *
 * @since 0.1.0
 */

import type { ConsumeMessage, Replies } from "amqplib"
import type { Browsed, Browser } from "effect-eventbus/Broker"
import { BrokerError, ConnectionFailed, NotBrowsable, TimedOut } from "effect-eventbus/BrokerError"
import type { Reason } from "effect-eventbus/BrokerError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as AmqpConnection from "../AmqpConnection.ts"
import * as AmqpTopology from "../AmqpTopology.ts"
import { linger } from "./AmqpAcknowledger.ts"
import * as AmqpMessage from "./AmqpMessage.ts"
import * as DiscoverArguments from "./discoverArguments.ts"
import * as LookLock from "./LookLock.ts"

/** The number of messages that one consumer takes at most. */
const batchSize = 32
/** The interval between two looks at a queue that may still be changing, in milliseconds. */
const lookInterval = 10
/** The time that a return may take, in milliseconds. A busy RabbitMQ needs some of it, and the next look should see all. */
const returnTimeout = 5000
/** The same where others consume: they may take what is returned before it is counted. */
const sharedReturnTimeout = 1000

/**
 * The messages of one consumer. amqplib keeps the callback of a consumer, and so the
 * batch, until the browsing ends. So messages leave the batch when they are taken.
 */
interface Batch {
  readonly tag: string
  readonly unsettled: Set<number>
  /** The messages that were not taken yet. */
  messages: Array<ConsumeMessage>
  /** One of the messages, without content and headers. amqplib settles messages, not delivery tags. */
  sample: ConsumeMessage | undefined
  isCancelled: boolean
}

interface Fetched {
  readonly batch: Batch
  readonly messages: ReadonlyArray<ConsumeMessage>
  /** The counts of the queue while it was looked at. `undefined`: there was no need to ask. */
  readonly counts: Replies.AssertQueue | undefined
}

const nothing = Buffer.alloc(0)

const numbered = ({ fields, properties }: ConsumeMessage, deliveryTag: number): ConsumeMessage => ({
  content: nothing,
  fields: { ...fields, deliveryTag },
  properties: { ...properties, headers: undefined }
})

/** Returns why messages cannot be taken and put back any number of times, or `undefined` if they can. */
const problem = ({ arguments: args, autoDelete }: DiscoverArguments.Declared): string | undefined => {
  if (autoDelete) return "it is deleted with its last consumer, and all its messages with it"
  const type = args["x-queue-type"] ?? "classic"
  if (type === "classic") return undefined
  if (type !== "quorum") return `nothing can be taken out of a queue of the type ${type}`
  const limit = args["x-delivery-limit"]
  if (typeof limit === "number" && limit >= AmqpTopology.deadLetterDeliveryLimit) return undefined
  const most = limit === undefined ? "no delivery limit of its own" : `a delivery limit of ${limit}`
  return (
    `it is a quorum queue with ${most}: each look may use up one delivery, and its messages are lost when none is ` +
    `left. Declare it with x-delivery-limit ${AmqpTopology.deadLetterDeliveryLimit}, or as a classic queue`
  )
}

/**
 * Starts to browse a queue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  connection: AmqpConnection.AmqpConnection,
  queue: string
): Effect.fn.Return<Browser, Reason, Scope.Scope> {
  const { settings } = connection
  const clock = yield* Clock.Clock
  const live = yield* connection.live
  const channel = yield* LookLock.open(live, queue)
  const ask = channel.ask(`look at the queue "${queue}"`, (amqp) => amqp.checkQueue(queue))
  const seen = yield* ask
  const declared = yield* DiscoverArguments.learn(live, AmqpTopology.deadLetterQueue(queue, settings))
  const detail = problem(declared)
  if (detail !== undefined) return yield* new NotBrowsable({ name: queue, detail })

  const batches: Array<Batch> = []
  const cancelling = Semaphore.makeUnsafe(1)
  let prefetch = 0
  let settledAt = 0
  /** Whether the next messages may be ones that were returned before. */
  let isAmongReturned = false

  /** Cancels a consumer before any of its messages is settled. With room again, it would receive more. */
  const cancel = (batch: Batch): Effect.Effect<void, Reason> =>
    Effect.suspend(() =>
      batch.isCancelled
        ? Effect.void
        : Effect.map(
            channel.ask(`cancel a look at "${queue}"`, (amqp) => amqp.cancel(batch.tag)),
            () => {
              batch.isCancelled = true
            }
          )
    ).pipe(cancelling.withPermits(1))

  const inTime = Effect.timeoutOrElse({
    duration: settings.connectionTimeout,
    orElse: () =>
      Effect.fail(new TimedOut({ operation: `look through "${queue}"`, millis: settings.connectionTimeout }))
  })

  const until = (isReached: (counts: Replies.AssertQueue) => boolean) =>
    Effect.repeat(ask, { until: isReached, schedule: Schedule.spaced(lookInterval) })

  /** Takes the next messages. They are fewer than `most` when no more wait. */
  const fetch = Effect.fnUntraced(function* (most: number): Effect.fn.Return<Fetched, Reason> {
    const full = Deferred.makeUnsafe<void>()
    const batch: Batch = {
      tag: `look-${batches.length}`,
      unsettled: new Set(),
      messages: [],
      sample: undefined,
      isCancelled: false
    }
    const receive = (message: ConsumeMessage | null) => {
      if (message === null) return
      batch.messages.push(message)
      batch.sample ??= numbered(message, message.fields.deliveryTag)
      batch.unsettled.add(message.fields.deliveryTag)
      if (batch.messages.length === most) Deferred.doneUnsafe(full, Effect.void)
    }
    if (prefetch !== most) yield* channel.ask(`prefetch ${most}`, (amqp) => amqp.prefetch(most, false))
    prefetch = most
    batches.push(batch)
    yield* channel.ask(`look through "${queue}"`, (amqp) => amqp.consume(queue, receive, { consumerTag: batch.tag }))
    const counts = yield* Effect.raceFirst(
      Effect.as(Deferred.await(full), undefined),
      until(({ consumerCount, messageCount }) => messageCount === 0 && consumerCount > 0)
    ).pipe(inTime)
    // Whatever is on its way comes before the answer.
    if (batch.messages.length < most) yield* cancel(batch)
    const { messages } = batch
    batch.messages = []
    isAmongReturned = messages.length === most && messages.at(-1)?.fields.redelivered === true
    return { batch, messages, counts }
  })

  const remove = (batch: Batch, deliveryTag: number): Browsed["remove"] =>
    Effect.andThen(
      cancel(batch),
      Effect.suspend(() => {
        if (batch.sample === undefined || !batch.unsettled.has(deliveryTag)) return Effect.void
        try {
          channel.channel.ack(numbered(batch.sample, deliveryTag))
        } catch {
          // amqplib throws on a channel that died a moment ago.
          return Effect.fail(new ConnectionFailed({ address: live.address, detail: "the channel is closed" }))
        }
        batch.unsettled.delete(deliveryTag)
        settledAt = clock.currentTimeMillisUnsafe()
        return Effect.void
      })
    ).pipe(Effect.mapError((reason) => new BrokerError({ reason })))

  const isQuorum = declared.arguments["x-queue-type"] === "quorum"
  const giveBack = Effect.gen(function* () {
    if (batches.some(({ unsettled }) => unsettled.size > 0)) {
      yield* Effect.ignore(
        Effect.whileLoop({
          while: () => isQuorum && isAmongReturned,
          body: () => fetch(batchSize),
          step: () => {}
        })
      )
    }
    let returned = 0
    for (const batch of batches) {
      yield* cancel(batch)
      if (batch.sample === undefined || batch.unsettled.size === 0) continue
      const last = numbered(batch.sample, Math.max(...batch.unsettled))
      // amqplib throws on a channel that died a moment ago.
      yield* Effect.try(() => channel.channel.nack(last, true, true))
      returned += batch.unsettled.size
    }
    if (returned > 0)
      yield* Effect.timeoutOption(
        until(({ messageCount }) => messageCount >= returned),
        seen.consumerCount === 0 ? returnTimeout : sharedReturnTimeout
      )
    yield* linger(settledAt, clock.currentTimeMillisUnsafe())
  })
  yield* Effect.addFinalizer(() => (channel.isOpen() ? Effect.ignore(giveBack) : Effect.void))

  const browsed = ({ batch, messages }: Fetched): ReadonlyArray<Browsed> =>
    messages.map((message) => ({
      envelope: AmqpMessage.toEnvelope(message, queue, () => clock.currentTimeMillisUnsafe()),
      remove: remove(batch, message.fields.deliveryTag)
    }))

  /** Asks a queue that seems to be empty for its first messages, beside a consumer of ours. */
  const lookTwice = Effect.gen(function* () {
    const fetched = yield* fetch(batchSize)
    const { consumerCount, messageCount } =
      fetched.counts ?? (yield* until(({ consumerCount }) => consumerCount > 0).pipe(inTime))
    return { first: browsed(fetched), waiting: fetched.messages.length + messageCount, consumers: consumerCount - 1 }
  })
  const { messageCount: waiting, consumerCount: consumers } = seen
  const look = isQuorum && waiting + consumers === 0 ? yield* lookTwice : { first: [], waiting, consumers }
  let first: ReadonlyArray<Browsed> = look.first

  return {
    waiting: look.waiting,
    consumers: look.consumers,
    take: (atMost) =>
      Effect.suspend(() => {
        if (first.length === 0) return Effect.map(fetch(Math.min(atMost, batchSize)), browsed)
        const taken = first.slice(0, atMost)
        first = first.slice(atMost)
        return Effect.succeed(taken)
      }).pipe(Effect.mapError((reason) => new BrokerError({ reason })))
  }
})
