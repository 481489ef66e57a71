/**
 * Consumes a queue, and resumes after its connection or channel is lost.
 *
 * Each consumer has a channel of its own. When it ends (its connection is lost, its
 * queue is deleted, an acknowledgement took too long, RabbitMQ has stopped delivering),
 * the consumer declares the topology again and consumes on a new channel, with backoff.
 * Its neighbours are not affected.
 *
 * @since 0.1.0
 */

import type { ConsumeMessage } from "amqplib"
import type { Consumer } from "effect-eventbus/Broker"
import type { Reason } from "effect-eventbus/BrokerError"
import { countStale, type Delivery } from "effect-eventbus/Delivery"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as AmqpConnection from "../AmqpConnection.ts"
import * as AmqpTopology from "../AmqpTopology.ts"
import { AmqpAcknowledger, linger } from "./AmqpAcknowledger.ts"
import * as AmqpChannel from "./AmqpChannel.ts"
import { AmqpDelivery } from "./AmqpDelivery.ts"
import * as AmqpError from "./AmqpError.ts"
import * as AmqpMessage from "./AmqpMessage.ts"
import { LateAcks } from "./LateAcks.ts"
import { News } from "./News.ts"
import { stalled } from "./stalled.ts"
import { backoff, supervise } from "./supervise.ts"

/**
 * A consumer that reports whether its queue is being consumed right now.
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
  /** Succeeds when the session is over. */
  readonly ended: Effect.Effect<unknown>
  /** Why it is over, in words. */
  readonly reason: Effect.Effect<string>
}

const stalledBecause = (waiting: number) =>
  `RabbitMQ had stopped delivering: ${waiting} messages wait, and it counts what no channel holds as unacknowledged`

/**
 * Starts a consumer. Fails only at its start.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  connection: AmqpConnection.AmqpConnection,
  queue: QueueSpec.QueueSpec,
  deliver: (delivery: Delivery) => void
): Effect.fn.Return<AmqpConsumer, Reason, Scope.Scope> {
  const clock = yield* Clock.Clock
  const { settings } = connection
  const prefetch = QueueSpec.prefetchOf(queue, settings.prefetch)
  const goesWithConnection = queue.temporary && queue.reconnectWithin === undefined
  let session: Session | undefined
  let isCancelled = false
  const now = () => clock.currentTimeMillisUnsafe()
  const context = yield* Effect.context<never>()
  const runSync = Effect.runSyncWith(context)
  const runFork = Effect.runForkWith(context)
  const lateAcks = new LateAcks()

  const open = (scope: Scope.Closeable) =>
    Effect.gen(function* () {
      const live = yield* connection.live
      yield* AmqpTopology.declare(live, queue)
      const channel = yield* AmqpChannel.open(live)
      /** The number of unsettled events when RabbitMQ cancelled the consumer. */
      const cancelled = Deferred.makeUnsafe<number>()
      /** The number of messages that waited when RabbitMQ had stopped delivering. */
      const stuck = Deferred.makeUnsafe<number>()
      const ended = Effect.raceAllFirst([
        Deferred.await(cancelled),
        Deferred.await(stuck),
        Deferred.await(channel.closed)
      ])
      const look = AmqpChannel.throwaway(
        live,
        (ask) => ask(`look for the queue "${queue.name}"`, (amqp) => amqp.checkQueue(queue.name)),
        AmqpConnection.closeTimeout
      ).pipe(
        Effect.match({
          onSuccess: () => "exists" as const,
          onFailure: ({ _tag }) => (_tag === "NotFound" ? "does not exist" : "not known")
        })
      )
      const whyCancelled = Effect.flatMap(Deferred.await(cancelled), (unsettled) =>
        Effect.map(look, (found) => AmqpError.cancelledBecause(live.version, unsettled, found))
      )
      const whyClosed = Effect.flatMap(Deferred.await(channel.closed), (error) =>
        error === undefined
          ? // A lost connection closes its channels first, and then says why.
            Effect.map(Effect.timeoutOption(Deferred.await(live.lost), AmqpConnection.closeTimeout), (why) =>
              Option.match(why, {
                onNone: () => AmqpError.closedBecause(undefined),
                onSome: (why) => `the connection is lost: ${why}`
              })
            )
          : Effect.succeed(AmqpError.closedBecause(error))
      )
      const reason = yield* Effect.cached(
        Effect.andThen(
          ended,
          Effect.suspend(() => {
            if (Deferred.isDoneUnsafe(cancelled)) return whyCancelled
            return Deferred.isDoneUnsafe(stuck) ? Effect.map(Deferred.await(stuck), stalledBecause) : whyClosed
          })
        )
      )

      /** Warns of the first late settlement of each channel. */
      let isTold = false
      const onLateAck = (message: ConsumeMessage): void => {
        // A temporary queue is gone with its channel, and all that was in it.
        if (goesWithConnection) return
        const again = lateAcks.add(message, session?.acknowledger.held ?? [])
        if (again !== undefined) session?.acknowledger.ack(again)
        if (isTold) return
        isTold = true
        const warn = (reason: string) =>
          Effect.logWarning(
            `An event of "${queue.name}" was acknowledged too late: ${reason}. RabbitMQ hands it out again, and then ` +
              `it is acknowledged without being handled`
          )
        runFork(Effect.flatMap(reason, warn))
      }
      const onStale = (message: ConsumeMessage, isLateAck: boolean): void => {
        runSync(countStale)
        if (isLateAck) onLateAck(message)
      }
      const acknowledger = new AmqpAcknowledger(
        // RabbitMQ has taken back what a cancelled consumer holds.
        { channel: channel.channel, isOpen: () => channel.isOpen() && !Deferred.isDoneUnsafe(cancelled) },
        now,
        onStale
      )

      let received = 0
      const receive = (message: ConsumeMessage | null): void => {
        if (message === null) {
          Deferred.doneUnsafe(cancelled, Effect.succeed([...acknowledger.held].length))
          return
        }
        received += 1
        acknowledger.add(message)
        if (lateAcks.take(message)) return acknowledger.ack(message)
        if (isCancelled) return
        const envelope = AmqpMessage.toEnvelope(message, queue.name, now)
        deliver(new AmqpDelivery(message, envelope, acknowledger))
      }

      yield* channel.ask(`prefetch ${prefetch}`, (channel) => channel.prefetch(prefetch, false))
      const { consumerTag } = yield* channel.ask(`consume "${queue.name}"`, (amqp) =>
        amqp.consume(queue.name, receive, { exclusive: goesWithConnection })
      )
      // A temporary queue has no replicas, so nothing is lost between them.
      if (!queue.temporary) {
        const waiting = channel
          .ask(`look at the queue "${queue.name}"`, (amqp) => amqp.checkQueue(queue.name))
          .pipe(
            Effect.map(({ consumerCount, messageCount }) =>
              // What waits may be for another consumer, while this one stands by.
              queue.singleActive === true && received === 0 && consumerCount > 1 ? 0 : messageCount
            ),
            // The end of the channel tells why.
            Effect.orElseSucceed(() => 0)
          )
        // A cancelled one waits for nothing.
        const isBusy = () => isCancelled || acknowledger.isHolding
        yield* stalled({ received: () => received, isBusy, waiting }).pipe(
          Effect.flatMap((left) => Deferred.succeed(stuck, left)),
          Effect.forkScoped
        )
      }
      session = { channel, acknowledger, ended, reason, scope, tag: consumerTag }
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
    // What is left in a temporary queue goes with it, so there is nothing to wait for.
    if (queue.temporary) return Effect.void
    return linger(session?.acknowledger.settledAt ?? 0, now())
  })

  /** Deletes a temporary queue that does not go with the connection. Without a connection it expires. */
  const remove = Effect.suspend(() => {
    const live = connection.current()
    if (!queue.temporary || goesWithConnection || live === undefined) return Effect.void
    return AmqpChannel.throwaway(
      live,
      (ask) => ask(`delete the queue "${queue.name}"`, (amqp) => amqp.deleteQueue(queue.name)),
      AmqpConnection.closeTimeout
    ).pipe(Effect.ignore)
  })

  // Before there is a session, so that no interruption can come between the two.
  yield* Effect.addFinalizer(() => Effect.andThen(goodbye, Effect.andThen(close, remove)))

  /**
   * The first session. It is tried twice more, so that a short interruption of the
   * connection does not fail the start.
   */
  const first = yield* start.pipe(
    Effect.retry({ schedule: backoff, times: 2, while: (reason) => reason._tag === "ConnectionFailed" })
  )

  let next: Effect.Effect<Session, Reason> = Effect.succeed(first)
  const news = new News()
  /** Consumes again. Warns of each reason once. */
  const again = Effect.andThen(connection.up, start).pipe(
    Effect.tap(() => {
      news.clear()
      return Effect.logInfo(`Consuming "${queue.name}" again`)
    }),
    Effect.tapError(({ message }) =>
      news.add(message) ? Effect.logWarning(`Cannot consume "${queue.name}" again yet: ${message}`) : Effect.void
    )
  )
  const supervisor = yield* Effect.gen(function* () {
    const current = next
    next = again
    const { ended, reason } = yield* current
    yield* ended
    yield* close
    yield* Effect.logWarning(`Consuming "${queue.name}" was interrupted: ${yield* reason}`)
  }).pipe(supervise, Effect.forkScoped)

  return {
    isAttached: () => session?.acknowledger.isOpen() === true,
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
