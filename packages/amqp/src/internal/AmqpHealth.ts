/**
 * How the broker is, and whether what the consumers need is in place.
 *
 * @since 0.1.0
 */

import type { Health } from "effect-eventbus/Broker"
import type { Reason } from "effect-eventbus/BrokerError"
import type * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { AmqpConnection } from "../AmqpConnection.ts"
import type { Settings } from "../AmqpOptions.ts"
import * as AmqpChannel from "./AmqpChannel.ts"
import type { AmqpConsumer } from "./AmqpConsumer.ts"
import type { AmqpPublisher } from "./AmqpPublisher.ts"

/** How long the broker may take to say that it is well, in milliseconds. */
const timeout = 2000
/** For how long it is believed that everything is in place: a probe every second must cost little. */
const inPlaceFor = "5 seconds"
/** For how long it is believed that something is not. */
const lackingFor = "1 second"
/** How many things are looked for at once. */
const concurrency = 10
/** No queue is bound to the dead letters by this. */
const nobody = "eb-nobody"

/**
 * Makes what says how the broker is. It answers within two seconds, never fails and
 * changes nothing: that something lacks is said, and mended by whoever needs it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: {
  readonly settings: Settings
  readonly publishing: AmqpConnection
  readonly publishers: ReadonlyArray<AmqpPublisher>
  readonly consuming: AmqpConnection
  readonly consumers: ReadonlyMap<AmqpConsumer, QueueSpec.QueueSpec>
  /** Asks something on a channel of its own. */
  readonly ask: <A>(f: (ask: AmqpChannel.AmqpChannel["ask"]) => Effect.Effect<A, Reason>) => Effect.Effect<A, Reason>
}): Effect.fn.Return<Effect.Effect<Health>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const { ask, consumers, consuming, publishers, publishing, settings } = options

  /** What this user has no right on, which RabbitMQ has said once: since 4.3 only those with one may look. */
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
    // Who only publishes has no use for the second exchange, unless it declared it.
    const exchanges =
      settings.topology === "none" && queues.length === 0
        ? [settings.exchange]
        : [settings.exchange, settings.deadLetterExchange]
    return Effect.all([...exchanges.map(exchange), ...Array.from(deadLetters, queue)], { concurrency })
  }).pipe(
    Effect.map((found) => found.flat()),
    Effect.timeoutOption(timeout),
    Effect.orElseSucceed(() => Option.none<ReadonlyArray<string>>())
  )

  /** RabbitMQ tells of an alarm only those who publish. So this does, to nobody, on a channel that it may close. */
  let mayAsk = true
  const askForAlarm = Effect.suspend(() => {
    const live = publishing.current()
    if (!mayAsk || live === undefined || live.blocked !== undefined) return Effect.void
    const { deadLetterExchange } = settings
    return Effect.flatMap(AmqpChannel.open(live, settings.connectionTimeout), ({ ask }) =>
      ask("publish to nobody", (channel) => {
        channel.publish(deadLetterExchange, nobody, Buffer.alloc(0))
        return channel.checkExchange(deadLetterExchange)
      })
    ).pipe(
      Effect.scoped,
      Effect.catch((reason) =>
        Effect.sync(() => {
          mayAsk = reason._tag !== "PermissionDenied"
        })
      )
    )
  })

  const lackingLately = yield* Effect.cachedWithTTL(
    Effect.andThen(Effect.forkIn(askForAlarm, scope), lacking),
    (exit) =>
      Exit.isSuccess(exit) && Option.isSome(exit.value) && exit.value.value.length === 0 ? inPlaceFor : lackingFor
  )

  const answers = ask(() => Effect.void).pipe(
    Effect.as(true),
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.succeed(false) }),
    Effect.orElseSucceed(() => false)
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
