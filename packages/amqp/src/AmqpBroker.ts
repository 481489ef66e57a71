/**
 * RabbitMQ as the broker of the bus.
 *
 * Publishing and consuming use a connection each, so that an alarm, which blocks the
 * first, does not block acknowledgements. Readers of dead letters share a third. All
 * three come back when they are lost.
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
import * as AmqpDelay from "./AmqpDelay.ts"
import * as AmqpLadder from "./AmqpLadder.ts"
import * as AmqpOptions from "./AmqpOptions.ts"
import * as AmqpTopology from "./AmqpTopology.ts"
import * as AlarmProbe from "./internal/AlarmProbe.ts"
import * as AmqpBrowser from "./internal/AmqpBrowser.ts"
import * as AmqpChannel from "./internal/AmqpChannel.ts"
import * as AmqpConsumer from "./internal/AmqpConsumer.ts"
import * as AmqpHealth from "./internal/AmqpHealth.ts"
import * as AmqpMessage from "./internal/AmqpMessage.ts"
import * as AmqpPublisher from "./internal/AmqpPublisher.ts"
import * as DelayLadder from "./internal/DelayLadder.ts"
import * as DelayQueues from "./internal/DelayQueues.ts"
import { Quarantine } from "./internal/Quarantine.ts"

/**
 * Makes a broker on RabbitMQ. Fails when it cannot connect within the connection
 * timeout. Fails at once when the login, the virtual host, a permission or an exchange
 * is wrong.
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
  /**
   * Readers of dead letters have a connection of their own, because some dead letters
   * end the connection of their reader.
   */
  const reading = yield* RcRef.make({ acquire: AmqpConnection.make(settings, "consume") })
  const consumers = new Map<AmqpConsumer.AmqpConsumer, QueueSpec.QueueSpec>()

  /**
   * Declares again what a subscription needs, after some of it was missing. Without a
   * connection it does nothing: a consumer that comes back declares it anyway.
   */
  const redeclare = (queue: QueueSpec.QueueSpec): Effect.Effect<void> =>
    Effect.suspend(() => {
      const live = consuming.current()
      return live === undefined ? Effect.void : Effect.ignore(AmqpTopology.declare(live, queue))
    })

  const ladder = DelayLadder.make(consuming)
  const redeclareAll = Effect.suspend(() =>
    Effect.forEach([...consumers.values()], redeclare, { concurrency: 10, discard: true })
  ).pipe(Effect.andThen(Effect.ignore(ladder.restored)))
  const quarantine = new Quarantine()
  // Each publisher waits for its last confirms when it closes. They close together, so the bus waits only once.
  const closing = yield* Scope.fork(yield* Effect.scope, "parallel")
  const makePublisher = Effect.flatMap(Scope.fork(closing), (scope) =>
    Scope.provide(AmqpPublisher.make(publishing, quarantine, redeclareAll), scope)
  )
  /** Retries and dead letters use a channel of their own: a refused one must not disturb what is published. */
  const [publisher, mover] = yield* Effect.all([makePublisher, makePublisher], { concurrency: 2 })

  /** Sends a request on a channel of its own, because the answer may be that the channel is closed. */
  const ask = <A>(f: (ask: AmqpChannel.Ask) => Effect.Effect<A, Reason>) =>
    Effect.flatMap(consuming.live, (live) => AmqpChannel.throwaway(live, f))

  /**
   * Publishes to the queue of that name. A message from another service may have
   * properties that cannot be sent again: they are left out then.
   */
  const send = (to: string, envelope: Envelope): Effect.Effect<void, PublishError.Reason> => {
    const exchange = settings.deadLetterExchange
    return Effect.catchTag(mover.publish(exchange, to, envelope), "EncodeFailed", () =>
      mover.publish(exchange, to, AmqpMessage.bare(envelope))
    )
  }

  /**
   * Restores the way to a queue that the exchange did not find: declares what a consumer
   * here needs, or binds the queue.
   */
  const repair = (to: string): Effect.Effect<void, Reason> =>
    Effect.suspend(() => {
      const needing = [...consumers.values()].find(({ deadLetterQueue, name }) => name === to || deadLetterQueue === to)
      return Effect.flatMap(consuming.live, (live) =>
        needing === undefined ? AmqpTopology.bindByName(live, to) : AmqpTopology.declare(live, needing)
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

  const delays = DelayQueues.make(consuming)
  /** Puts a message into a wait queue, which is declared when it is first needed, and again when it is missing. */
  const putLater = (to: string, envelope: Envelope, delay: number): Effect.Effect<void, PublishError.Reason> =>
    Effect.flatMap(delays.declared(to, delay), ({ forget, longest, name }) =>
      Effect.tapError(send(name, { ...envelope, ttl: longest }), (reason) =>
        Effect.sync(() => reason._tag === "Unroutable" && forget())
      )
    )

  /**
   * Publishes a message to the ladder. Its levels are declared when they are first
   * needed, and again when one is missing.
   */
  const publishLater = (envelope: Envelope, delay: number): Effect.Effect<void, PublishError.Reason> => {
    const { exchange, headers, top } = AmqpLadder.route(delay, settings)
    const later = { ...envelope, ttl: AmqpDelay.longestWait(top) }
    const sent = Effect.andThen(
      ladder.declared(top),
      mover.publish(exchange, envelope.routingKey, later, { ...headers, "eb-exchange": settings.exchange })
    ).pipe(Effect.tapErrorTag(["Unroutable", "Refused"], () => Effect.sync(ladder.forget)))
    return Effect.catchTag(sent, "Unroutable", () => sent)
  }

  const alarm = yield* AlarmProbe.make(publishing)
  // Without this, the first publishes to a blocked RabbitMQ would be sent, and could land at any time.
  yield* alarm.ask
  const health = yield* AmqpHealth.make({
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
    publish: (envelope, delay) =>
      delay === undefined
        ? publisher.publish(settings.exchange, envelope.routingKey, envelope)
        : publishLater(envelope, delay),
    declare: (queue) =>
      Effect.flatMap(consuming.live, (live) => AmqpTopology.declare(live, queue)).pipe(
        Effect.mapError((reason) => new SubscribeError({ queue: queue.name, reason }))
      ),
    consume: Effect.fnUntraced(
      function* (queue, deliver) {
        const connection = QueueSpec.isDeadLetterQueue(queue.name) ? yield* RcRef.get(reading) : consuming
        const consumer = yield* AmqpConsumer.make(connection, queue, deliver)
        yield* Effect.acquireRelease(
          Effect.sync(() => consumers.set(consumer, queue)),
          () => Effect.sync(() => consumers.delete(consumer))
        )
        return consumer
      },
      (effect, queue) => Effect.mapError(effect, (reason) => new SubscribeError({ queue: queue.name, reason }))
    ),
    put: (to, envelope, delay) => (delay === undefined ? putNow(to, envelope) : putLater(to, envelope, delay)),
    // The default exchange leads to every queue by its name, also to those of other clients.
    reply: (to, envelope) => publisher.publish("", to, envelope),
    browse: yield* Broker.exclusive((name) =>
      Effect.mapError(
        Effect.flatMap(RcRef.get(reading), (connection) => AmqpBrowser.make(connection, name)),
        (reason) => new BrokerError({ reason })
      )
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
 * Fails with a `BrokerError` that names the host and the port, and contains no secret.
 * Throws a `RangeError` at once for invalid options.
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
