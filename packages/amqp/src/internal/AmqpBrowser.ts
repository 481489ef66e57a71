/**
 * Looks through a queue, and leaves it as it was.
 *
 * RabbitMQ has no such thing: a message can only be taken and given back. Measured
 * on 3.10, that is done without harm in one way alone, which this is.
 *
 * - Each return counts against a quorum queue's delivery limit, beyond which the
 *   message is dropped. So the limit must be out of reach: see `AmqpTopology`.
 * - A quorum queue puts what is returned behind what was returned before, and both
 *   before the rest. So everything that was returned before is taken, too.
 * - Of what one command returns, it keeps the order up to 32 messages; of what
 *   several commands return, if they are not in flight together. So messages are
 *   taken by consumers of 32 at most, and between two returns there is an answer.
 * - `basic.get` takes a hundred times as long as a consumer.
 *
 * @since 0.1.0
 */

import type { ConsumeMessage } from "amqplib"
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
import type { Settings } from "../AmqpOptions.ts"
import * as AmqpTopology from "../AmqpTopology.ts"
import { lingerTime } from "./AmqpAcknowledger.ts"
import * as AmqpChannel from "./AmqpChannel.ts"
import * as AmqpMessage from "./AmqpMessage.ts"
import * as DiscoverArguments from "./discoverArguments.ts"

/** The most that one consumer takes. */
const batchSize = 32
/** How long a look is repeated in which a queue may still be changing, in milliseconds. */
const lookInterval = 10
/** How long to wait until everything that was returned is counted again, in milliseconds: others may have taken it. */
const returnTimeout = 1000

/**
 * The messages of one consumer. amqplib keeps the callback of a consumer, and with it the
 * batch, until the end of the look. So messages leave the batch when they are taken.
 */
interface Batch {
  readonly tag: string
  readonly unsettled: Set<number>
  /** The messages that were not taken yet. */
  messages: Array<ConsumeMessage>
  /** One of the messages, without content and headers: amqplib settles messages, not numbers. */
  sample: ConsumeMessage | undefined
  isCancelled: boolean
}

const nothing = Buffer.alloc(0)

const numbered = ({ fields, properties }: ConsumeMessage, deliveryTag: number): ConsumeMessage => ({
  content: nothing,
  fields: { ...fields, deliveryTag },
  properties: { ...properties, headers: undefined }
})

/** Whether messages can be taken and given back for ever; if not, why. */
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
 * Starts to look through a queue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  connection: AmqpConnection.AmqpConnection,
  settings: Settings,
  queue: string
): Effect.fn.Return<Browser, Reason, Scope.Scope> {
  const clock = yield* Clock.Clock
  const live = yield* connection.live
  const channel = yield* AmqpChannel.open(live, settings.connectionTimeout)
  const count = Effect.map(
    channel.ask(`look at the queue "${queue}"`, (amqp) => amqp.checkQueue(queue)),
    ({ messageCount }) => messageCount
  )
  const waiting = yield* count
  const declared = yield* DiscoverArguments.learn(live, settings, AmqpTopology.deadLetterQueue(queue, settings))
  const detail = problem(declared)
  if (detail !== undefined) return yield* new NotBrowsable({ name: queue, detail })

  const batches: Array<Batch> = []
  const cancelling = Semaphore.makeUnsafe(1)
  let prefetch = 0
  let settledAt = 0
  /** Whether what comes next may be something that was returned before. */
  let isAmongReturned = false

  /** A consumer that has room again would get more, so it goes before anything of it is settled. */
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

  const until = (isReached: (messages: number) => boolean): Effect.Effect<unknown, Reason> =>
    Effect.repeat(count, { until: isReached, schedule: Schedule.spaced(lookInterval) })

  /** Takes the next messages: fewer than the most when no more wait. */
  const fetch = Effect.fnUntraced(function* (most: number) {
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
    yield* Effect.raceFirst(
      Deferred.await(full),
      until((messages) => messages === 0)
    ).pipe(
      Effect.timeoutOrElse({
        duration: settings.connectionTimeout,
        orElse: () =>
          Effect.fail(new TimedOut({ operation: `look through "${queue}"`, millis: settings.connectionTimeout }))
      })
    )
    // Whatever is on its way comes before the answer.
    if (batch.messages.length < most) yield* cancel(batch)
    const { messages } = batch
    batch.messages = []
    isAmongReturned = messages.length === most && messages.at(-1)?.fields.redelivered === true
    return { batch, messages }
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
        until((messages) => messages >= returned),
        returnTimeout
      )
    const linger = settledAt + lingerTime - clock.currentTimeMillisUnsafe()
    if (linger > 0) yield* Effect.sleep(Math.min(linger, lingerTime))
  })
  yield* Effect.addFinalizer(() => (channel.isOpen() ? Effect.ignore(giveBack) : Effect.void))

  return {
    waiting,
    take: (atMost) =>
      Effect.map(fetch(Math.min(atMost, batchSize)), ({ batch, messages }) =>
        messages.map((message) => ({
          envelope: AmqpMessage.toEnvelope(message, queue, () => clock.currentTimeMillisUnsafe()),
          remove: remove(batch, message.fields.deliveryTag)
        }))
      ).pipe(Effect.mapError((reason) => new BrokerError({ reason })))
  }
})
