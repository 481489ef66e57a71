/**
 * Finds out what RabbitMQ does not report: the permissions of this user, and the
 * broker's clock. It publishes nothing that a queue could receive, takes nothing from
 * a queue, and leaves nothing behind.
 *
 * Each request is invalid, and RabbitMQ rejects it only after it has checked the
 * permissions: a publish with an expiration that is no number, a consumer with a
 * priority that is none, the removal of a binding that never existed. The order of
 * these checks is the same in RabbitMQ 3.10 to 4.3.
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
import * as WaitName from "./internal/WaitName.ts"

/**
 * Whether this user may do something. The outcome is `untold` when the queue or
 * exchange does not exist.
 *
 * @category models
 * @since 0.1.0
 */
export interface Permission {
  readonly operation: string
  /** The permissions that it needs. */
  readonly needs: string
  readonly outcome: "granted" | "denied" | "untold"
  /** Why it is not granted. */
  readonly detail: string | undefined
}

/** Returns a unique name. */
const unique = (): string => `doctor.${crypto.randomUUID()}`

const probe = (
  live: Live,

  operation: string,
  needs: string,
  f: (ask: AmqpChannel.Ask) => Effect.Effect<unknown, Reason>
): Effect.Effect<Permission, Reason> => {
  const told = (outcome: Permission["outcome"], detail?: string): Permission => ({ operation, needs, outcome, detail })
  return AmqpChannel.throwaway(live, f).pipe(
    Effect.as(told("granted")),
    Effect.catchTags({
      PermissionDenied: ({ detail }) => Effect.succeed(told("denied", detail)),
      NotFound: ({ name }) => Effect.succeed(told("untold", `"${name}" is not there`)),
      // It got as far as the reason that was made up for it.
      Refused: () => Effect.succeed(told("granted"))
    })
  )
}

const publish = (live: Live, operation: string, exchange: string) =>
  probe(live, operation, `write on "${exchange}"`, (ask) =>
    ask(`ask whether it may publish to "${exchange}"`, (channel) => {
      channel.publish(exchange, unique(), Buffer.alloc(0), { expiration: "never" })
      // The answer is the end of the channel.
      return new Promise(() => {})
    })
  )

/**
 * Finds out what this user may publish. Use a connection for publishing. During an
 * alarm RabbitMQ does not answer on it, and reports so (`Live.blocked`).
 *
 * @category running
 * @since 0.1.0
 */
export const publishing = (live: Live): Effect.Effect<ReadonlyArray<Permission>, Reason> =>
  Effect.all([
    publish(live, "publish events", live.settings.exchange),
    publish(live, "retry and dead-letter events", live.settings.deadLetterExchange)
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

const wait = (live: Live, queue: string) => {
  const { settings } = live
  const { deadLetterExchange } = settings
  const needs = `configure, write and read on "${WaitName.prefix}${queue}.…", write and read on "${deadLetterExchange}"`
  const name = `${WaitName.prefix}${queue}.${unique()}`
  return probe(live, `retry events of "${queue}"`, needs, (ask) =>
    Effect.andThen(temporary(ask, name, settings, deadLetterTo(settings, queue)), remove(ask, name))
  )
}

const bind = (live: Live, queue: string, ...exchanges: ReadonlyArray<string>) =>
  probe(
    live,
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

const consume = (live: Live, queue: string) =>
  probe(live, `consume "${queue}"`, `read on "${queue}"`, (ask) =>
    ask(`ask whether it may consume "${queue}"`, (channel) =>
      channel.consume(queue, () => {}, { arguments: { "x-priority": "none" } })
    )
  )

/**
 * Finds out what this user may do with the queues of subscriptions. Whether it may
 * declare them, `AmqpPlan.look` finds out.
 *
 * @category running
 * @since 0.1.0
 */
export const subscribing = (
  live: Live,

  queues: ReadonlyArray<QueueSpec.QueueSpec>
): Effect.Effect<ReadonlyArray<Permission>, Reason> => {
  const { settings } = live
  const { deadLetterExchange, exchange } = settings
  return Effect.all(
    queues.flatMap(({ deadLetterQueue, name: queue, temporary }) => {
      if (temporary) return []
      // The bindings of a queue that others declare are theirs, too.
      const isOurs = settings.forQueue(queue).topology === "assert"
      return [
        consume(live, queue),
        ...(isOurs ? [bind(live, queue, exchange, deadLetterExchange)] : []),
        wait(live, queue),
        ...(isOurs && deadLetterQueue !== undefined ? [bind(live, deadLetterQueue, deadLetterExchange)] : [])
      ]
    })
  )
}

/**
 * The time by which the broker's clock is ahead of this machine's, in milliseconds: at
 * least `least`, at most `most`. RabbitMQ reports its time in seconds.
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
 * Compares the broker's clock with this machine's. A message expires from one
 * temporary queue into another, and carries the time at which it did. It needs a
 * connection for publishing, and the dead letter exchange.
 *
 * @category running
 * @since 0.1.0
 */
export const clock = (live: Live): Effect.Effect<ClockDifference, Reason> =>
  AmqpChannel.throwaway(
    live,
    Effect.fnUntraced(function* (ask) {
      const { settings } = live
      const operation = "ask what time it is there"
      const name = `${WaitName.prefix}${unique()}`
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
