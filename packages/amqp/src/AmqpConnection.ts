/**
 * A connection to RabbitMQ that comes back.
 *
 * The first connection must succeed within the connection timeout. It fails with a
 * typed reason, at once if waiting cannot help. A connection that is lost later is
 * made again, with backoff and jitter, as long as the scope is open. It does not use
 * the `recovery` of amqplib, which restores neither channels nor consumers.
 *
 * @since 0.1.0
 */

import type { ChannelModel } from "amqplib"
import { ConnectionFailed, TooFewChannels } from "effect-eventbus/BrokerError"
import type { Reason } from "effect-eventbus/BrokerError"
import * as Metrics from "effect-eventbus/Metrics"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as AmqpOptions from "./AmqpOptions.ts"
import * as AmqpError from "./internal/AmqpError.ts"
import * as driver from "./internal/driver.ts"
import { News } from "./internal/News.ts"
import { backoff, supervise } from "./internal/supervise.ts"

/**
 * A connection that is up, until `lost`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Live {
  /** The settings of its connection. */
  readonly settings: AmqpOptions.Settings
  readonly model: ChannelModel
  readonly address: string
  /** The broker's version, as it says. */
  readonly version: string
  /** How many bytes a frame may carry. */
  readonly frameRoom: number
  /** Succeeds with the reason, once the connection is gone. */
  readonly lost: Deferred.Deferred<string>
  /** The error that ended the connection, if one did. */
  error: unknown
  /** Why the broker takes no publishes, while it does not. */
  blocked: string | undefined
  /** Open while the broker takes no publishes. */
  readonly blocking: Latch.Latch
}

/**
 * A connection that comes back.
 *
 * @category models
 * @since 0.1.0
 */
export interface AmqpConnection {
  readonly settings: AmqpOptions.Settings
  /** The addresses it tries, without secrets. */
  readonly address: string
  /** The connection, as soon as it is up. */
  readonly up: Effect.Effect<Live>
  /** The connection, as soon as it is up. Fails when that takes longer than the connection timeout. */
  readonly live: Effect.Effect<Live, Reason>
  /** The connection if it is up now. */
  readonly current: () => Live | undefined
  /** Why the last attempt to connect failed, or why the connection was lost. */
  readonly trouble: () => string
  /** Called when the broker blocks or unblocks publishes. */
  readonly onBlocked: Set<() => void>
}

/**
 * The time that closing may take, in milliseconds. A dead peer never answers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const closeTimeout = 2000

const close = (live: Live): Effect.Effect<void> =>
  Deferred.isDoneUnsafe(live.lost)
    ? Effect.sync(() => driver.destroy(live.model))
    : Effect.tryPromise(() => live.model.close()).pipe(
        Effect.raceFirst(Deferred.await(live.lost)),
        Effect.timeoutOption(closeTimeout),
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => driver.destroy(live.model)))
      )

/**
 * Makes a connection that comes back.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  settings: AmqpOptions.Settings,
  role: "publish" | "consume"
): Effect.fn.Return<AmqpConnection, Reason, Scope.Scope> {
  const address = settings.endpoints.map(AmqpOptions.address).join(", ")
  const registry = yield* Metrics.registry
  const connections = Metrics.all.connections.series(registry, { role })
  const reconnects = Metrics.all.reconnects.series(registry, { role })
  const blocked = Metrics.all.blocked.series(registry, { role })
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  let live: Live | undefined
  let trouble = "not connected"
  const latch = Latch.makeUnsafe(false)

  /** Replaces the current connection. */
  const take = (next: Live | undefined): void => {
    connections(Number(next !== undefined) - Number(live !== undefined))
    if (live?.blocked !== undefined) blocked(-1)
    live = next
  }

  const established = (model: ChannelModel, endpoint: AmqpOptions.Endpoint): Live => {
    const next: Live = {
      settings,
      model,
      address: AmqpOptions.address(endpoint),
      version: model.connection.serverProperties.version,
      frameRoom: driver.frameRoom(model),
      lost: Deferred.makeUnsafe<string>(),
      error: undefined,
      blocked: undefined,
      blocking: Latch.makeUnsafe(false)
    }
    const block = (reason: string | undefined) => {
      if (live === next) blocked(Number(reason !== undefined) - Number(next.blocked !== undefined))
      next.blocked = reason
      if (reason === undefined) {
        next.blocking.closeUnsafe()
        runFork(Effect.logInfo(`RabbitMQ takes publishes again at ${next.address}`))
      } else {
        next.blocking.openUnsafe()
        runFork(Effect.logWarning(`RabbitMQ takes no publishes at ${next.address}, so they wait: ${reason}`))
      }
      for (const tell of self.onBlocked) tell()
    }
    model.on("blocked", (reason) => block(reason === "" ? "an alarm" : reason))
    model.on("unblocked", () => block(undefined))
    // An `error` is not always followed by a `close`, nor always before it: `close` is what ends a connection.
    model.on("close", (error) => {
      next.error = error
      take(undefined)
      latch.closeUnsafe()
      Deferred.doneUnsafe(next.lost, Effect.succeed(error === undefined ? "closed" : AmqpError.detailOf(error)))
    })
    take(next)
    latch.openUnsafe()
    return next
  }

  const connectTo = (endpoint: AmqpOptions.Endpoint): Effect.Effect<Live, Reason> =>
    driver
      .connect(endpoint, settings, role, (model) => {
        const allowed = driver.channelMax(model)
        if (allowed >= AmqpOptions.leastChannels) return Effect.succeed(established(model, endpoint))
        driver.destroy(model)
        const address = AmqpOptions.address(endpoint)
        return Effect.fail(new TooFewChannels({ address, allowed, needed: AmqpOptions.leastChannels }))
      })
      .pipe(
        Effect.mapError((error) => AmqpError.fromConnect(error, endpoint)),
        Effect.flatten
      )

  /** Tries the endpoints in turn. A reason that waiting cannot help with is reported before others. */
  const connect = Effect.suspend(() => {
    const reasons: Array<Reason> = []
    return Effect.firstSuccessOf(
      settings.endpoints.map((endpoint) =>
        Effect.tapError(connectTo(endpoint), (reason) => Effect.sync(() => reasons.push(reason)))
      )
    ).pipe(Effect.mapError((last) => reasons.find((reason) => !reason.isRetryable) ?? last))
  })

  const up: Effect.Effect<Live> = Effect.suspend(() =>
    live === undefined ? Effect.andThen(latch.await, up) : Effect.succeed(live)
  )

  const self: AmqpConnection = {
    settings,
    address,
    current: () => live,
    trouble: () => trouble,
    onBlocked: new Set(),
    up,
    live: Effect.timeoutOrElse(up, {
      duration: settings.connectionTimeout,
      orElse: () =>
        Effect.fail(new ConnectionFailed({ address, detail: `not connected for ${settings.connectionTimeout} ms` }))
    })
  }

  // Before there is a connection, so that no interruption can come between the two.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() =>
      live === undefined
        ? Effect.void
        : Effect.andThen(
            close(live),
            Effect.sync(() => take(undefined))
          )
    )
  )

  let last: Reason | undefined
  const first = yield* connect.pipe(
    Effect.tapError((reason) => Effect.sync(() => (last = reason))),
    Effect.retry({ schedule: backoff, while: (reason) => reason.isRetryable }),
    Effect.timeoutOrElse({
      duration: settings.connectionTimeout,
      orElse: () => {
        const said = last === undefined ? "no answer" : "detail" in last ? last.detail : last.message
        return Effect.fail(new ConnectionFailed({ address, detail: `${said}, for ${settings.connectionTimeout} ms` }))
      }
    })
  )

  const news = new News()
  /** Connects again. Warns of each reason once. */
  const reconnect = connect.pipe(
    Effect.tap((next) => {
      reconnects(1)
      news.clear()
      return Effect.logInfo(`Connected to RabbitMQ again (${role}) at ${next.address}`)
    }),
    Effect.tapError(({ message }) => {
      trouble = message
      return news.add(message) ? Effect.logWarning(`Not connected to RabbitMQ (${role}): ${message}`) : Effect.void
    })
  )

  let next: Effect.Effect<Live, Reason> = Effect.succeed(first)
  yield* Effect.gen(function* () {
    const current = next
    next = reconnect
    const { address, lost, model } = yield* current
    trouble = yield* Deferred.await(lost)
    // amqplib ends the socket of a peer that is silently gone, and leaves it open.
    driver.destroy(model)
    yield* Effect.logWarning(`Lost the connection to RabbitMQ (${role}) at ${address}: ${trouble}`)
  }).pipe(supervise, Effect.forkScoped)
  return self
})
