/**
 * Consumes a queue, and goes on when what it stands on breaks.
 *
 * Each consumer has a channel of its own. Whatever ends it (the connection, the
 * channel, the queue being deleted, an acknowledgement that took too long), the
 * topology is declared again and the queue consumed on a new channel, with
 * backoff, without touching the neighbours.
 *
 * @since 0.1.0
 */

import type { ConsumeMessage } from "amqplib"
import type { Consumer } from "effect-eventbus/Broker"
import type { Reason } from "effect-eventbus/BrokerError"
import { countStale, type Delivery } from "effect-eventbus/Delivery"
import type * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as AmqpConnection from "../AmqpConnection.ts"
import type { Settings } from "../AmqpOptions.ts"
import * as AmqpTopology from "../AmqpTopology.ts"
import { lingerTime, AmqpAcknowledger } from "./AmqpAcknowledger.ts"
import * as AmqpChannel from "./AmqpChannel.ts"
import { AmqpDelivery } from "./AmqpDelivery.ts"
import * as AmqpMessage from "./AmqpMessage.ts"
import { backoff, supervise } from "./supervise.ts"

/**
 * A consumer, and whether its queue is being consumed right now.
 *
 * @category models
 * @since 0.1.0
 */
export interface AmqpConsumer extends Consumer {
  readonly isAttached: () => boolean
}

/** A channel on which the queue is being consumed. */
interface Session {
  readonly channel: AmqpChannel.AmqpChannel
  readonly acknowledger: AmqpAcknowledger
  readonly tag: string
  readonly scope: Scope.Closeable
  /** Succeeds with the reason when it is over. */
  readonly ended: Deferred.Deferred<string>
}

/**
 * Starts a consumer. It fails only here, at its start.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  connection: AmqpConnection.AmqpConnection,
  settings: Settings,
  queue: QueueSpec.QueueSpec,
  deliver: (delivery: Delivery) => void
): Effect.fn.Return<AmqpConsumer, Reason, Scope.Scope> {
  const clock = yield* Clock.Clock
  const prefetch = queue.concurrency ?? settings.prefetch
  let session: Session | undefined
  let isCancelled = false
  const now = () => clock.currentTimeMillisUnsafe()
  const runSync = Effect.runSyncWith(yield* Effect.context<never>())
  const onStale = () => runSync(countStale)

  const receive = (acknowledger: AmqpAcknowledger, ended: Session["ended"]) => (message: ConsumeMessage | null) => {
    if (message === null) {
      Deferred.doneUnsafe(ended, Effect.succeed("the broker cancelled the consumer: is its queue deleted?"))
      return
    }
    acknowledger.add(message)
    if (isCancelled) return
    const envelope = AmqpMessage.toEnvelope(message, queue.name, now)
    deliver(new AmqpDelivery(message, envelope, acknowledger))
  }

  const open = (scope: Scope.Closeable) =>
    Effect.gen(function* () {
      const live = yield* connection.live
      yield* AmqpTopology.declare(live, settings, queue)
      const channel = yield* AmqpChannel.open(live, settings.connectionTimeout)
      const acknowledger = new AmqpAcknowledger(channel, now, onStale)
      const ended = Deferred.makeUnsafe<string>()
      channel.channel.on("close", () => {
        Deferred.doneUnsafe(ended, Effect.succeed("the channel is closed"))
      })
      yield* channel.ask(`prefetch ${prefetch}`, (channel) => channel.prefetch(prefetch, false))
      const { consumerTag } = yield* channel.ask(`consume "${queue.name}"`, (amqp) =>
        amqp.consume(queue.name, receive(acknowledger, ended), { exclusive: queue.temporary })
      )
      session = { channel, acknowledger, ended, scope, tag: consumerTag }
      return session
    }).pipe(Scope.provide(scope))

  const start = Effect.flatMap(Scope.make(), (scope) =>
    Effect.onError(open(scope), (cause) => Scope.close(scope, Exit.failCause(cause)))
  )

  const close = Effect.suspend(() => {
    const current = session
    session = undefined
    return current === undefined ? Effect.void : Scope.close(current.scope, Exit.void)
  })

  const goodbye = Effect.suspend(() => {
    const wait = (session?.acknowledger.settledAt ?? 0) + lingerTime - now()
    return wait > 0 ? Effect.sleep(Math.min(wait, lingerTime)) : Effect.void
  })

  /** What a short trouble of the connection may spoil is tried twice more. */
  const first = yield* start.pipe(
    Effect.retry({ schedule: backoff, times: 2, while: (reason) => reason._tag === "ConnectionFailed" })
  )
  yield* Effect.addFinalizer(() => Effect.andThen(goodbye, close))

  let next: Effect.Effect<Session, Reason> = Effect.succeed(first)
  const again = Effect.andThen(connection.up, start).pipe(
    Effect.tap(Effect.logInfo(`Consuming "${queue.name}" again`)),
    Effect.tapError((error) => Effect.logWarning(`Cannot consume "${queue.name}" again yet: ${error.message}`))
  )
  const supervisor = yield* Effect.gen(function* () {
    const current = next
    next = again
    const reason = yield* Deferred.await((yield* current).ended)
    yield* close
    yield* Effect.logWarning(`Consuming "${queue.name}" was interrupted: ${reason}`)
  }).pipe(supervise, Effect.forkScoped)

  return {
    isAttached: () => session?.channel.isOpen() === true && !Deferred.isDoneUnsafe(session.ended),
    cancel: Effect.gen(function* () {
      yield* Fiber.interrupt(supervisor)
      const current = session
      if (current !== undefined && current.channel.isOpen()) {
        yield* current.channel
          .ask(`cancel "${queue.name}"`, (channel) => channel.cancel(current.tag))
          .pipe(Effect.timeoutOption(AmqpConnection.closeTimeout), Effect.ignore)
      }
      isCancelled = true
    })
  }
})
