/**
 * The health of the broker, and of what its consumers need.
 *
 * @since 0.1.0
 */

import type { Health } from "effect-eventbus/Broker"
import type { Reason } from "effect-eventbus/BrokerError"
import type * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { AmqpConnection } from "../AmqpConnection.ts"
import type * as AmqpChannel from "./AmqpChannel.ts"
import type { AmqpConsumer } from "./AmqpConsumer.ts"
import type { AmqpPublisher } from "./AmqpPublisher.ts"

/** The time that the broker has to answer, in milliseconds. */
const timeout = 2000
/** The time for which a complete topology is remembered. A probe every second must cost little. */
const inPlaceFor = "5 seconds"
/** The time for which an incomplete topology is remembered. */
const lackingFor = "1 second"
/** The number of items that are looked for at once. */
const concurrency = 10

/**
 * Makes an effect that returns the health. It answers within two seconds, never fails
 * and changes nothing. It reports what is missing; consumers restore what they need.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: {
  readonly publishing: AmqpConnection
  readonly publishers: ReadonlyArray<AmqpPublisher>
  readonly consuming: AmqpConnection
  readonly consumers: ReadonlyMap<AmqpConsumer, QueueSpec.QueueSpec>
  readonly alarm: { readonly ask: Effect.Effect<void> }
  /** Sends a request on a channel of its own. */
  readonly ask: <A>(f: (ask: AmqpChannel.AmqpChannel["ask"]) => Effect.Effect<A, Reason>) => Effect.Effect<A, Reason>
}): Effect.fn.Return<Effect.Effect<Health>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const { alarm, ask, consumers, consuming, publishers, publishing } = options
  const { settings } = publishing

  /**
   * Interrupts an effect at the timeout without waiting for its cleanup. Closing a
   * channel takes two more seconds when no answer comes.
   */
  const inTime = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<Option.Option<A>, E> =>
    Effect.flatMap(Effect.forkIn(self, scope), (fiber) =>
      Effect.ensuring(Effect.timeoutOption(Fiber.join(fiber), timeout), Effect.forkIn(Fiber.interrupt(fiber), scope))
    )

  /**
   * The items that this user may not see, as RabbitMQ has said once. Since 4.3, seeing
   * an item takes a permission on it.
   */
  const hidden = new Set<string>()

  const isThere = (what: string, look: Parameters<AmqpChannel.AmqpChannel["ask"]>[1]) =>
    hidden.has(what)
      ? Effect.succeed<ReadonlyArray<string>>([])
      : ask((ask) => ask(`look for the ${what}`, look)).pipe(
          Effect.as<ReadonlyArray<string>>([]),
          Effect.catchTags({
            NotFound: () => Effect.succeed([what]),
            PermissionDenied: () => Effect.sync(() => (hidden.add(what), []))
          })
        )

  const exchange = (name: string) => isThere(`exchange ${name}`, (channel) => channel.checkExchange(name))
  const queue = (name: string) => isThere(`queue ${name}`, (channel) => channel.checkQueue(name))

  const lacking = Effect.suspend(() => {
    const queues = [...consumers.values()]
    const deadLetters = new Set(queues.flatMap(({ deadLetterQueue = [] }) => deadLetterQueue))
    // A user who only publishes has no use for the second exchange, unless it declared it.
    const exchanges =
      settings.topology === "none" && queues.length === 0
        ? [settings.exchange]
        : [settings.exchange, settings.deadLetterExchange]
    return Effect.all([...exchanges.map(exchange), ...Array.from(deadLetters, queue)], { concurrency })
  }).pipe(
    Effect.map((found) => found.flat()),
    inTime,
    Effect.orElseSucceed(() => Option.none<ReadonlyArray<string>>())
  )

  const lackingLately = yield* Effect.cachedWithTTL(Effect.andThen(Effect.forkIn(alarm.ask, scope), lacking), (exit) =>
    Exit.isSuccess(exit) && Option.isSome(exit.value) && exit.value.value.length === 0 ? inPlaceFor : lackingFor
  )

  // A refusal is an answer, too.
  const answers = ask(() => Effect.void).pipe(
    Effect.as(true),
    Effect.catch(({ _tag }) => Effect.succeed(_tag !== "ConnectionFailed" && _tag !== "TimedOut")),
    inTime,
    Effect.map(Option.getOrElse(() => false))
  )

  const asked = Effect.suspend(() =>
    consuming.current() === undefined
      ? Effect.succeed({ answers: false, lacking: Option.none<ReadonlyArray<string>>() })
      : Effect.all({ answers, lacking: lackingLately }, { concurrency: 2 })
  )

  return Effect.map(asked, ({ answers, lacking }): Health => {
    const publish = publishing.current()
    const consume = consuming.current()
    const detached = [...consumers.keys()].filter((consumer) => !consumer.isAttached()).length
    const connected = publish !== undefined && consume !== undefined && answers
    const publishes =
      publish === undefined
        ? "disconnected"
        : publish.blocked !== undefined
          ? `blocked: ${publish.blocked}`
          : publishers.every((publisher) => publisher.isAttached())
            ? "connected"
            : "reopening its channel"
    const topology = Option.match(lacking, {
      onNone: () => "not known",
      onSome: (lacking) => (lacking.length === 0 ? "in place" : `lacks ${lacking.join(", ")}`)
    })
    const isWhole = publishes === "connected" && detached === 0 && topology === "in place"
    return {
      status: !connected ? "unhealthy" : isWhole ? "healthy" : "degraded",
      connected,
      details: {
        broker: "rabbitmq",
        address: consume?.address ?? consuming.address,
        ...(consume === undefined ? {} : { version: consume.version }),
        publishing: publishes,
        consuming: consume === undefined ? "disconnected" : answers ? "connected" : "not answering",
        consumers: consumers.size,
        consumersDetached: detached,
        topology,
        unconfirmed: publishers.reduce((sum, publisher) => sum + publisher.unconfirmed(), 0)
      }
    }
  })
})
