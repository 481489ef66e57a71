/**
 * RabbitMQ as the broker of the bus.
 *
 * Publishing and consuming have a connection each: an alarm stops the first, and
 * must not stop acknowledgements. Readers of dead letters share a third. All come
 * back when they are lost.
 *
 * @since 0.1.0
 */

import { hostname } from "node:os"
import * as Broker from "effect-eventbus/Broker"
import { BrokerError, SubscribeError } from "effect-eventbus/BrokerError"
import type { Reason } from "effect-eventbus/BrokerError"
import type { Envelope } from "effect-eventbus/Envelope"
import type * as PublishError from "effect-eventbus/PublishError"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RcRef from "effect/RcRef"
import * as Scope from "effect/Scope"
import * as AmqpConnection from "./AmqpConnection.ts"
import * as AmqpOptions from "./AmqpOptions.ts"
import * as AmqpTopology from "./AmqpTopology.ts"
import * as AlarmProbe from "./internal/AlarmProbe.ts"
import * as AmqpBrowser from "./internal/AmqpBrowser.ts"
import * as AmqpChannel from "./internal/AmqpChannel.ts"
import * as AmqpConsumer from "./internal/AmqpConsumer.ts"
import * as AmqpHealth from "./internal/AmqpHealth.ts"
import * as AmqpMessage from "./internal/AmqpMessage.ts"
import * as AmqpPublisher from "./internal/AmqpPublisher.ts"
import * as DelayQueues from "./internal/DelayQueues.ts"

/**
 * Makes a broker on RabbitMQ. It fails when there is no connection within the
 * connection timeout, and at once when the login, the virtual host, a permission
 * or an exchange is not what it must be.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: AmqpOptions.Options
): Effect.fn.Return<Broker.Broker["Service"], Reason, Scope.Scope> {
  const settings = AmqpOptions.settings(options)
  const publishing = yield* AmqpConnection.make(settings, "publish")
  const consuming = yield* AmqpConnection.make(settings, "consume")
  /** A dead letter may be one that kills its reader's connection, so those who read them have one of their own. */
  const reading = yield* RcRef.make({ acquire: AmqpConnection.make(settings, "consume") })
  const consumers = new Map<AmqpConsumer.AmqpConsumer, QueueSpec.QueueSpec>()

  /**
   * Declares what a subscription needs once more, when something of it has turned out to be missing. Without a
   * connection there is nothing to do: a consumer that comes back declares it anyway.
   */
  const redeclare = (queue: QueueSpec.QueueSpec): Effect.Effect<void> =>
    Effect.suspend(() => {
      const live = consuming.current()
      return live === undefined ? Effect.void : Effect.ignore(AmqpTopology.declare(live, settings, queue))
    })

  const redeclareAll = Effect.suspend(() =>
    Effect.forEach([...consumers.values()], redeclare, { concurrency: 10, discard: true })
  )
  // Each waits for its last confirms when it closes, and the bus for no longer than one of them.
  const closing = yield* Scope.fork(yield* Effect.scope, "parallel")
  const makePublisher = Effect.flatMap(Scope.fork(closing), (scope) =>
    Scope.provide(AmqpPublisher.make(publishing, settings, redeclareAll), scope)
  )
  /** Retries and dead letters have a channel of their own: where they are refused, what is published must not feel it. */
  const [publisher, mover] = yield* Effect.all([makePublisher, makePublisher], { concurrency: 2 })

  /** Asks something on a channel of its own, because an answer may be that the channel is closed. */
  const ask = <A>(f: (ask: AmqpChannel.Ask) => Effect.Effect<A, Reason>) =>
    Effect.flatMap(consuming.live, (live) => AmqpChannel.throwaway(live, settings.connectionTimeout, f))

  /** Publishes to the queue of that name, with all that can be said of a message that has been in a queue before. */
  const send = (to: string, envelope: Envelope): Effect.Effect<void, PublishError.Reason> => {
    const exchange = settings.deadLetterExchange
    return Effect.catchTag(mover.publish(exchange, to, envelope), "EncodeFailed", () =>
      mover.publish(exchange, to, AmqpMessage.bare(envelope))
    )
  }

  /** Makes the way to a queue that the exchange did not find: declares what a consumer here needs, or binds the queue. */
  const repair = (to: string): Effect.Effect<void, Reason> =>
    Effect.suspend(() => {
      const needing = [...consumers.values()].find(({ deadLetterQueue, name }) => name === to || deadLetterQueue === to)
      return Effect.flatMap(consuming.live, (live) =>
        needing === undefined
          ? AmqpTopology.bindByName(live, settings, to)
          : AmqpTopology.declare(live, settings, needing)
      )
    })

  const putNow = (to: string, envelope: Envelope): Effect.Effect<void, PublishError.Reason> => {
    const { exchange } = settings
    const sent = send(to, { ...envelope, origin: envelope.origin ?? { queue: QueueSpec.originOf(to), exchange } })
    return Effect.catchTag(sent, "Unroutable", (reason) =>
      Effect.andThen(
        Effect.mapError(repair(to), () => reason),
        sent
      )
    )
  }

  const delays = DelayQueues.make(consuming, settings)
  /** A wait queue is declared when it is first needed, and again when it turns out to be missing. */
  const putLater = (to: string, envelope: Envelope, delay: number): Effect.Effect<void, PublishError.Reason> =>
    Effect.flatMap(delays.declared(to, delay), ({ forget, longest, name }) =>
      Effect.tapError(send(name, { ...envelope, ttl: longest }), (reason) =>
        Effect.sync(() => reason._tag === "Unroutable" && forget())
      )
    )

  const alarm = yield* AlarmProbe.make(publishing, settings)
  // What is published while RabbitMQ is blocked is sent, and may land at any time, unless that is known before.
  yield* alarm.ask
  const health = yield* AmqpHealth.make({
    settings,
    publishing,
    publishers: [publisher, mover],
    consuming,
    consumers,
    alarm,
    ask
  })

  return Broker.Broker.of({
    system: "rabbitmq",
    destination: settings.exchange,
    host: hostname(),
    prefetch: settings.prefetch,
    maxBodyBytes: settings.maxBodyBytes,
    publish: (envelope) => publisher.publish(settings.exchange, envelope.routingKey, envelope),
    declare: (queue) =>
      Effect.flatMap(consuming.live, (live) => AmqpTopology.declare(live, settings, queue)).pipe(
        Effect.mapError((reason) => new SubscribeError({ queue: queue.name, reason }))
      ),
    consume: Effect.fnUntraced(
      function* (queue, deliver) {
        const connection = QueueSpec.isDeadLetterQueue(queue.name) ? yield* RcRef.get(reading) : consuming
        const consumer = yield* AmqpConsumer.make(connection, settings, queue, deliver)
        yield* Effect.acquireRelease(
          Effect.sync(() => consumers.set(consumer, queue)),
          () => Effect.sync(() => consumers.delete(consumer))
        )
        return consumer
      },
      (effect, queue) => Effect.mapError(effect, (reason) => new SubscribeError({ queue: queue.name, reason }))
    ),
    put: (to, envelope, delay) => (delay === undefined ? putNow(to, envelope) : putLater(to, envelope, delay)),
    browse: (name) =>
      Effect.mapError(
        Effect.flatMap(RcRef.get(reading), (connection) => AmqpBrowser.make(connection, settings, name)),
        (reason) => new BrokerError({ reason })
      ),
    queueInfo: (name) =>
      ask((ask) => ask(`look at the queue "${name}"`, (channel) => channel.checkQueue(name))).pipe(
        Effect.map(({ consumerCount, messageCount }) =>
          Option.some({ name, messages: messageCount, consumers: consumerCount })
        ),
        Effect.catchTag("NotFound", () => Effect.succeedNone),
        Effect.mapError((reason) => new BrokerError({ reason }))
      ),
    purge: (name) =>
      ask((ask) => ask(`purge the queue "${name}"`, (channel) => channel.purgeQueue(name))).pipe(
        Effect.map(({ messageCount }) => messageCount),
        Effect.mapError((reason) => new BrokerError({ reason }))
      ),
    health
  })
})

/**
 * The broker on RabbitMQ.
 *
 * **Details**
 *
 * It fails with a `BrokerError` that names host and port, and no secret. Options
 * that cannot be meant are a `RangeError`, here and now.
 *
 * **Example** (A bus on RabbitMQ)
 *
 * ```ts no-run
 * import { Effect, Layer, Redacted } from "effect"
 * import { EventBus, EventType } from "effect-eventbus"
 * import { AmqpBroker } from "@effect-eventbus/amqp"
 *
 * const Ping = EventType.untyped("ping")
 *
 * const BusLive = EventBus.layer.pipe(
 *   Layer.provide(AmqpBroker.layer({ host: "rabbit.internal", username: "bus", password: Redacted.make("…") }))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const bus = yield* EventBus.EventBus
 *   yield* bus.publish(yield* Ping.event({}))
 * })
 *
 * await Effect.runPromise(Effect.provide(program, BusLive))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: AmqpOptions.Options = {}): Layer.Layer<Broker.Broker, BrokerError> => {
  // Options are checked when the layer is made, not when it is built.
  AmqpOptions.settings(options)
  return Layer.effect(
    Broker.Broker,
    Effect.mapError(make(options), (reason) => new BrokerError({ reason }))
  )
}

/**
 * The broker on the RabbitMQ that the environment names: see `AmqpOptions.config`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig: Layer.Layer<Broker.Broker, BrokerError | Config.ConfigError> = Layer.unwrap(
  Effect.map(AmqpOptions.config, layer)
)
