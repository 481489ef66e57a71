/**
 * Asks RabbitMQ what it does not tell: what this user may do, and what time it is
 * there. Nothing is published that a queue could receive, nothing is taken from a
 * queue, and nothing is left behind.
 *
 * Each question is one that RabbitMQ refuses for a reason of its own, once it has
 * looked at the permissions: a publish with an expiration that is no number, a
 * consumer with a priority that is none, the end of a binding that never was. The
 * order of its checks is that of RabbitMQ 3.10 to 4.3.
 *
 * @since 0.1.0
 */

import { Refused, TimedOut } from "effect-eventbus/BrokerError"
import type { Reason } from "effect-eventbus/BrokerError"
import type * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Live } from "./AmqpConnection.ts"
import type { Settings } from "./AmqpOptions.ts"
import * as AmqpChannel from "./internal/AmqpChannel.ts"
import * as AmqpMessage from "./internal/AmqpMessage.ts"

/**
 * Whether this user may do something. It is `untold` where what it would be done
 * to does not exist.
 *
 * @category models
 * @since 0.1.0
 */
export interface Permission {
  readonly operation: string
  /** The rights that it takes. */
  readonly needs: string
  readonly outcome: "granted" | "denied" | "untold"
  /** Why it is not granted. */
  readonly detail: string | undefined
}

/** Returns a unique name. */
const unique = (): string => `doctor.${crypto.randomUUID()}`

const probe = (
  live: Live,
  settings: Settings,
  operation: string,
  needs: string,
  f: (ask: AmqpChannel.Ask) => Effect.Effect<unknown, Reason>
): Effect.Effect<Permission, Reason> => {
  const told = (outcome: Permission["outcome"], detail?: string): Permission => ({ operation, needs, outcome, detail })
  return AmqpChannel.throwaway(live, settings.connectionTimeout, f).pipe(
    Effect.as(told("granted")),
    Effect.catchTags({
      PermissionDenied: ({ detail }) => Effect.succeed(told("denied", detail)),
      NotFound: ({ name }) => Effect.succeed(told("untold", `"${name}" is not there`)),
      // It got as far as the reason that was made up for it.
      Refused: () => Effect.succeed(told("granted"))
    })
  )
}

const publish = (live: Live, settings: Settings, operation: string, exchange: string) =>
  probe(live, settings, operation, `write on "${exchange}"`, (ask) =>
    ask(`ask whether it may publish to "${exchange}"`, (channel) => {
      channel.publish(exchange, unique(), Buffer.alloc(0), { expiration: "never" })
      // The answer is the end of the channel.
      return new Promise(() => {})
    })
  )

/**
 * Finds out what this user may publish. It takes a connection for publishes: while an alarm
 * holds, RabbitMQ does not answer on it, and says so (`Live.blocked`).
 *
 * @category running
 * @since 0.1.0
 */
export const publishing = (live: Live, settings: Settings): Effect.Effect<ReadonlyArray<Permission>, Reason> =>
  Effect.all([
    publish(live, settings, "publish events", settings.exchange),
    publish(live, settings, "retry and dead-letter events", settings.deadLetterExchange)
  ])

/** A queue of this connection alone, whose messages expire into another. */
const temporary = (ask: AmqpChannel.Ask, name: string, settings: Settings, args: Readonly<Record<string, unknown>>) =>
  Effect.andThen(
    ask(`declare the queue "${name}"`, (channel) =>
      channel.assertQueue(name, {
        durable: false,
        exclusive: true,
        autoDelete: true,
        arguments: { "x-queue-type": "classic", ...args }
      })
    ),
    ask(`bind the queue "${name}"`, (channel) => channel.bindQueue(name, settings.deadLetterExchange, name))
  )

const remove = (ask: AmqpChannel.Ask, name: string) =>
  ask(`delete the queue "${name}"`, (channel) => channel.deleteQueue(name))

const deadLetterTo = (settings: Settings, key: string) => ({
  "x-dead-letter-exchange": settings.deadLetterExchange,
  "x-dead-letter-routing-key": key
})

const wait = (live: Live, settings: Settings, queue: string) => {
  const { deadLetterExchange } = settings
  const needs = `configure, write and read on "${AmqpMessage.waitPrefix}${queue}.…", write and read on "${deadLetterExchange}"`
  const name = `${AmqpMessage.waitPrefix}${queue}.${unique()}`
  return probe(live, settings, `retry events of "${queue}"`, needs, (ask) =>
    Effect.andThen(temporary(ask, name, settings, deadLetterTo(settings, queue)), remove(ask, name))
  )
}

const bind = (live: Live, settings: Settings, queue: string, ...exchanges: ReadonlyArray<string>) =>
  probe(
    live,
    settings,
    `bind "${queue}"`,
    `write on "${queue}", read on ${exchanges.map((exchange) => `"${exchange}"`).join(" and ")}`,
    (ask) =>
      Effect.forEach(
        exchanges,
        (exchange) =>
          ask(`ask whether it may bind "${queue}" to "${exchange}"`, (channel) =>
            channel.unbindQueue(queue, exchange, unique())
          ),
        { discard: true }
      )
  )

const consume = (live: Live, settings: Settings, queue: string) =>
  probe(live, settings, `consume "${queue}"`, `read on "${queue}"`, (ask) =>
    ask(`ask whether it may consume "${queue}"`, (channel) =>
      channel.consume(queue, () => {}, { arguments: { "x-priority": "none" } })
    )
  )

/**
 * Finds out what this user may do with the queues of subscriptions, except for what
 * `AmqpPlan.look` finds out: whether it may declare them.
 *
 * @category running
 * @since 0.1.0
 */
export const subscribing = (
  live: Live,
  settings: Settings,
  queues: ReadonlyArray<QueueSpec.QueueSpec>
): Effect.Effect<ReadonlyArray<Permission>, Reason> =>
  Effect.all(
    queues.flatMap(({ deadLetterQueue, name: queue, temporary }) =>
      temporary
        ? []
        : [
            consume(live, settings, queue),
            bind(live, settings, queue, settings.exchange, settings.deadLetterExchange),
            wait(live, settings, queue),
            ...(deadLetterQueue === undefined
              ? []
              : [bind(live, settings, deadLetterQueue, settings.deadLetterExchange)])
          ]
    )
  )

/**
 * How far the clock of the broker is ahead of this machine's, in milliseconds: not
 * less than one, not more than the other. RabbitMQ tells its time in seconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClockDifference {
  readonly least: number
  readonly most: number
}

const secondsOf = (headers: unknown): number | undefined => {
  const of = (u: unknown, key: string | number): unknown =>
    typeof u === "object" && u !== null ? Reflect.get(u, key) : undefined
  const time = of(of(of(of(headers, "x-death"), 0), "time"), "value")
  return typeof time === "number" ? time : undefined
}

/**
 * Finds out how far the clock of the broker is from this machine's. A message
 * expires from one temporary queue into another, and says when it did. It takes a
 * connection for publishes, and the exchange of the dead letters.
 *
 * @category running
 * @since 0.1.0
 */
export const clock = (live: Live, settings: Settings): Effect.Effect<ClockDifference, Reason> =>
  AmqpChannel.throwaway(
    live,
    settings.connectionTimeout,
    Effect.fnUntraced(function* (ask) {
      const operation = "ask what time it is there"
      const name = `${AmqpMessage.waitPrefix}${unique()}`
      const expired = `${name}.expired`
      yield* temporary(ask, expired, settings, {})
      yield* temporary(ask, name, settings, { "x-message-ttl": 0, ...deadLetterTo(settings, expired) })
      const before = yield* Clock.currentTimeMillis
      yield* ask(operation, async (channel) => channel.publish(settings.deadLetterExchange, name, Buffer.alloc(0)))
      const message = yield* ask(operation, (channel) => channel.get(expired, { noAck: true })).pipe(
        Effect.repeat({ until: (got) => got !== false, schedule: Schedule.spaced("10 millis") }),
        Effect.timeoutOrElse({
          duration: settings.connectionTimeout,
          orElse: () => Effect.fail(new TimedOut({ operation, millis: settings.connectionTimeout }))
        })
      )
      const after = yield* Clock.currentTimeMillis
      yield* remove(ask, name)
      yield* remove(ask, expired)
      const seconds = message === false ? undefined : secondsOf(message.properties.headers)
      if (seconds === undefined) return yield* new Refused({ operation, detail: "it does not say when" })
      return { least: seconds * 1000 - after, most: seconds * 1000 + 999 - before }
    })
  )
