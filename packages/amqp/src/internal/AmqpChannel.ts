/**
 * A channel of a connection, for as long as its scope is open.
 *
 * No request waits for ever. Each answer is raced against the end of the channel and
 * against a timeout, because amqplib answers neither when the connection dies
 * meanwhile.
 *
 * @since 0.1.0
 */

import type { Channel, ConfirmChannel } from "amqplib"
import { Refused, TimedOut } from "effect-eventbus/BrokerError"
import type { Reason } from "effect-eventbus/BrokerError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { closeTimeout } from "../AmqpConnection.ts"
import type { Live } from "../AmqpConnection.ts"
import * as AmqpError from "./AmqpError.ts"
import * as driver from "./driver.ts"

/**
 * Sends a request to the broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ask<out C extends Channel = Channel> {
  <A>(operation: string, f: (channel: C) => Promise<A>): Effect.Effect<A, Reason>
}

/**
 * A channel that is open, until `closed`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AmqpChannel<out C extends Channel = Channel> {
  readonly channel: C
  readonly isOpen: () => boolean
  /** Succeeds with the error that ended the channel, or with `undefined` where no reason was given. */
  readonly closed: Deferred.Deferred<unknown>
  readonly ask: Ask<C>
}

/** The channels that a connection has left. */
const channelsOf = new WeakMap<Live["model"], { readonly most: number; readonly left: Semaphore.Semaphore }>()

const channelsLeft = ({ model }: Live) => {
  const known = channelsOf.get(model)
  if (known !== undefined) return known
  const most = driver.channelMax(model)
  const channels = { most, left: Semaphore.makeUnsafe(most) }
  channelsOf.set(model, channels)
  return channels
}

const noneLeft = (most: number) =>
  new Refused({
    operation: "open a channel",
    detail: `no channel is left of the ${most} that this connection may have (channel_max)`
  })

/**
 * Takes one of the connection's channels until the scope closes. A channel that stays
 * leaves one behind for short requests, which wait their turn.
 */
const reserve = (live: Live, use: "stays" | "asks", timeout: number): Effect.Effect<void, Reason, Scope.Scope> => {
  const { left, most } = channelsLeft(live)
  if (use === "asks") {
    return Effect.timeoutOrElse(Semaphore.takeScoped(left, 1), {
      duration: timeout,
      orElse: () => Effect.fail(noneLeft(most))
    })
  }
  const spare = most > 1 ? 1 : 0
  const take = Effect.tap(Semaphore.takeIfAvailable(left, 1 + spare), (isTaken) =>
    isTaken ? Semaphore.release(left, spare) : Effect.fail(noneLeft(most))
  )
  return Effect.asVoid(Effect.acquireRelease(take, () => Semaphore.release(left, 1)))
}

const make = Effect.fnUntraced(function* <C extends Channel>(
  live: Live,
  timeout: number,
  use: "stays" | "asks",
  create: () => Promise<C>
): Effect.fn.Return<AmqpChannel<C>, Reason, Scope.Scope> {
  const { address } = live
  const closed = Deferred.makeUnsafe<unknown>()
  const isOpen = () => !Deferred.isDoneUnsafe(closed)
  let error: unknown

  /** Returns the reason of a failure. amqplib only knows that there was no answer. */
  const reasonOf = (operation: string, cause: unknown): Reason => {
    const isGone = AmqpError.replyCode(cause) === undefined && (!isOpen() || Deferred.isDoneUnsafe(live.lost))
    return AmqpError.fromChannel(isGone ? AmqpError.detailOf(cause) : cause, { operation, address })
  }

  const bounded = <A>(operation: string, promise: () => Promise<A>): Effect.Effect<A, Reason> =>
    Effect.tryPromise({
      try: promise,
      catch: (cause) => reasonOf(operation, cause)
    }).pipe(
      Effect.raceFirst(
        Effect.flatMap(Deferred.await(closed), (cause) =>
          Effect.fail(reasonOf(operation, cause ?? "the channel is closed"))
        )
      ),
      Effect.raceFirst(
        Effect.flatMap(Deferred.await(live.lost), (cause) =>
          Effect.fail(AmqpError.fromChannel(cause, { operation, address }))
        )
      ),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(new TimedOut({ operation, millis: timeout }))
      })
    )

  yield* reserve(live, use, timeout)
  let opened: C | undefined
  let isWanted = true
  // Added before there is a channel, so that no interruption can come between the two.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isWanted = false
      const channel = opened
      return channel === undefined || !isOpen()
        ? Effect.void
        : bounded("close a channel", () => channel.close()).pipe(Effect.timeoutOption(closeTimeout), Effect.ignore)
    })
  )
  const channel = yield* bounded("open a channel", () =>
    create().then((channel) => {
      opened = channel
      // An unheard channel `error` kills the whole connection, so the listeners come before anything else.
      channel.on("error", (cause) => {
        error = cause
      })
      channel.on("close", () => {
        Deferred.doneUnsafe(closed, Effect.succeed(error))
      })
      if (!isWanted) void channel.close().catch(() => {})
      return channel
    })
  )
  return {
    channel,
    isOpen,
    closed,
    ask: (operation, f) => bounded(operation, () => f(channel))
  }
})

/**
 * Opens a channel that stays.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = (live: Live): Effect.Effect<AmqpChannel, Reason, Scope.Scope> =>
  make(live, live.settings.connectionTimeout, "stays", () => live.model.createChannel())

/**
 * Opens a channel on which the broker confirms what is published.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openConfirm = (live: Live): Effect.Effect<AmqpChannel<ConfirmChannel>, Reason, Scope.Scope> =>
  make(live, live.settings.connectionTimeout, "stays", () => live.model.createConfirmChannel())

/**
 * Sends requests on a channel of their own, because an answer may be that the channel
 * is closed. Waits its turn when the connection has no channel left.
 *
 * @category running
 * @since 0.1.0
 */
export const throwaway = <A>(
  live: Live,
  f: (ask: Ask) => Effect.Effect<A, Reason>,
  timeout: number = live.settings.connectionTimeout
): Effect.Effect<A, Reason> =>
  Effect.scoped(
    Effect.flatMap(
      make(live, timeout, "asks", () => live.model.createChannel()),
      ({ ask }) => f(ask)
    )
  )
