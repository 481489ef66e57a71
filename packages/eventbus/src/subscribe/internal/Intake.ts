/**
 * The gate of a subscription: whether it takes events from its queue.
 *
 * While it is closed, the queue has no consumer here, so no delivery waits unsettled. Each
 * opening is a consumer of its own. One that is closed lives on until the deliveries that
 * it brought are settled.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberHandle from "effect/FiberHandle"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type * as Broker from "../../broker/Broker.ts"
import type { SubscribeError } from "../../broker/BrokerError.ts"
import type { Delivery } from "../../broker/Delivery.ts"
import * as Fault from "../../broker/Fault.ts"
import type { Event } from "../../event/Event.ts"
import * as Metrics from "../../telemetry/Metrics.ts"
import type { DecodedDelivery, Probe } from "../DecodedDelivery.ts"
import type { Pause, Settlement } from "../Settlement.ts"
import type { Subscription } from "../Subscription.ts"
import { type PauseOptions, pauseTime, running, type SubscriptionState } from "../SubscriptionState.ts"
import type { Dispatch } from "./dispatch.ts"
import type { OrderedKeys } from "./OrderedKeys.ts"
import { mostReturns } from "./settle.ts"

export interface Intake {
  readonly state: Effect.Effect<SubscriptionState>
  readonly changes: Stream.Stream<SubscriptionState>
  readonly pause: (options?: PauseOptions) => Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** A number that changes with the state. */
  readonly period: number
  /** Marks a delivery as a probe where it is one. */
  readonly asProbe: <Ev extends Event>(delivery: DecodedDelivery<Ev>) => DecodedDelivery<Ev>
  /** Settles a delivery that was begun in a period, and draws the conclusions from its settlement. */
  readonly settling: (settlement: Settlement, period: number, settle: Effect.Effect<void>) => Effect.Effect<void>
  /** Sets how deliveries are given back that the broker may soon dead-letter. */
  readonly start: (giveBack: (delivery: Delivery) => Effect.Effect<void>) => void
  /** Takes no more events, for good. */
  readonly stop: Effect.Effect<void>
}

/** The delays between two attempts to consume the queue again. */
const backoff = Schedule.min([Schedule.exponential("150 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

interface Session {
  readonly consumer: Broker.Consumer
  readonly scope: Scope.Closeable
}

/** Opens the gate. It fails only here, at its start. */
export const make = Effect.fnUntraced(function* <Ev extends Event>(
  broker: Broker.Broker["Service"],
  subscription: Subscription<Ev>,
  dispatch: Dispatch,
  keys?: Pick<OrderedKeys<Ev>, "open" | "close">
): Effect.fn.Return<Intake, SubscribeError, Scope.Scope> {
  const { atMostOnce, name } = subscription
  const { currentTimeMillisUnsafe: now } = yield* Clock.Clock
  const sessions = yield* Scope.fork(yield* Effect.scope, "parallel")
  /** The only fiber that opens the gate, now or after a delay. */
  const coming = yield* FiberHandle.make<void, never>()
  const run = yield* FiberHandle.runtime(coming)()
  const states = yield* PubSub.sliding<SubscriptionState>({ capacity: 16, replay: 1 })
  const alone = Semaphore.makeUnsafe(1)
  const paused = Metrics.all.paused.series(yield* Metrics.registry, Metrics.labelsOf(subscription))
  let giveBackLater: (delivery: Delivery) => Effect.Effect<void> = ({ requeue }) => requeue
  let state = running
  let period = 0
  let probe: Probe | undefined
  let session: Session | undefined
  let isStopped = false
  /** Succeeds when an ordered subscription has given everything back that it took before it was closed. */
  let left: Effect.Effect<unknown> = Effect.void

  const become = (next: SubscriptionState): void => {
    const isNews = (state._tag === "Running") !== (next._tag === "Running")
    if (isNews) paused(next._tag === "Running" ? -1 : 1)
    state = next
    period += 1
    PubSub.publishUnsafe(states, next)
  }

  const open = (spec: typeof subscription): Effect.Effect<void, SubscribeError> =>
    Effect.flatMap(Scope.fork(sessions), (scope) =>
      Scope.provide(broker.consume(spec, dispatch.deliver), scope).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.map((consumer) => {
          session = { consumer, scope }
        })
      )
    )

  /** Succeeds when all that is being handled is settled. */
  const settled = Effect.suspend(() => dispatch.done)

  let trouble: string | undefined
  const openAgain = (spec: typeof subscription): Effect.Effect<void> =>
    Effect.suspend(() => left).pipe(
      Effect.andThen(Effect.suspend(() => keys?.open(state._tag === "Probing") ?? Effect.void)),
      Effect.andThen(
        Effect.suspend(() => {
          if (keys !== undefined) dispatch.takeWaiting()
          dispatch.open()
          // Interrupted half-way, it would lose the consumer of deliveries that are being handled already.
          return Effect.uninterruptible(open(spec))
        })
      ),
      Effect.tapError(({ message }) => {
        const isNews = message !== trouble
        trouble = message
        return isNews ? Effect.logWarning(`Cannot consume "${name}" again yet: ${message}`) : Effect.void
      }),
      Effect.retry(backoff),
      Effect.ignore
    )

  const giveBack = (delivery: Delivery): Effect.Effect<void> => {
    if (!delivery.isLive()) return Effect.void
    return (delivery.returns ?? 0) < mostReturns ? delivery.requeue : giveBackLater(delivery)
  }

  /** Closes the gate. When it returns, no more deliveries come and none is begun. */
  const close = Effect.suspend(() => {
    const current = session
    session = undefined
    // An event of an at-most-once queue may not be put back, so those that are here are handled.
    if (!atMostOnce) dispatch.close()
    if (keys !== undefined) {
      keys.close()
      if (current === undefined) return Effect.void
      // What is put back one by one changes its place, and a consumer that is cancelled makes way for another at once.
      const leave = Effect.andThen(settled, Scope.close(current.scope, Exit.void))
      return Effect.map(Effect.forkIn(leave, sessions, { startImmediately: true }), (fiber) => {
        left = Fiber.await(fiber)
      })
    }
    if (current === undefined) return Effect.void
    const finish = atMostOnce
      ? Effect.suspend(() => dispatch.drained)
      : Effect.andThen(
          Effect.suspend(() => Effect.forEach(dispatch.takeWaiting(), giveBack, { discard: true })),
          settled
        )
    // What is put back before the consumer is cancelled would come again at once.
    return Effect.andThen(
      current.consumer.cancel,
      Effect.forkIn(Effect.andThen(finish, Scope.close(current.scope, Exit.void)), sessions, { startImmediately: true })
    )
  })

  /** Runs one change of the state at a time, to its end, if it is still wanted when its turn comes. */
  const change = (isWanted: () => boolean, f: Effect.Effect<unknown>): Effect.Effect<void> =>
    Effect.suspend(() => (isStopped || !isWanted() ? Effect.void : Effect.andThen(FiberHandle.clear(coming), f))).pipe(
      alone.withPermit,
      Effect.uninterruptible,
      Effect.asVoid
    )

  const goOn = Effect.suspend(() => {
    become(running)
    probe = undefined
    return openAgain(subscription)
  })

  const goOnNow = Effect.suspend(() =>
    Effect.andThen(
      close,
      Effect.sync(() => run(goOn))
    )
  )

  const probeNext = Effect.suspend(() => {
    if (state._tag === "Paused") become({ _tag: "Probing", by: state.by, since: state.since })
    // RabbitMQ puts what is given back behind what was given back before, so an ordered subscription takes all of it.
    return openAgain(keys === undefined ? { ...subscription, concurrency: 1, prefetch: 1 } : subscription)
  })

  const pause = (by: string, delay: Duration.Duration, then: Effect.Effect<void>) =>
    Effect.suspend(() => {
      const since = state._tag === "Running" ? now() : state.since
      const isEndless = !Duration.isFinite(delay)
      become({ _tag: "Paused", by, since, until: isEndless ? undefined : now() + Duration.toMillis(delay) })
      return Effect.andThen(
        close,
        Effect.sync(() => {
          if (!isEndless) run(Effect.andThen(Effect.sleep(delay), then))
        })
      )
    })

  const pauseFor = ({ by, delay, fault }: Pause, begun: number) =>
    change(
      // Others failed before it, or the subscription was resumed meanwhile.
      () => begun === period,
      Effect.suspend(() => {
        // Without a failure, the schedule of a policy has not begun.
        if (fault !== undefined) probe = { pauses: (probe?.pauses ?? 0) + 1, since: probe?.since ?? now() }
        return Effect.andThen(
          pause(by ?? fault?.reason ?? "a failure", delay, probeNext),
          // Without a fault, it is held up as its owner meant it to be.
          Effect.logWithLevel(fault === undefined ? "Debug" : "Warn")(
            `Paused "${name}" for ${Duration.format(delay)}: ${fault === undefined ? by : Fault.summary(fault)}`
          )
        )
      })
    )

  yield* open(subscription)
  PubSub.publishUnsafe(states, running)

  return {
    state: Effect.sync(() => state),
    changes: Stream.fromPubSub(states),
    pause: (options = {}) => {
      const delay = pauseTime(options)
      return change(() => true, pause(options.by ?? "hand", delay, goOn))
    },
    resume: change(() => state._tag !== "Running", goOnNow),
    get period() {
      return period
    },
    asProbe: (delivery) =>
      state._tag === "Probing" ? { ...delivery, probe: probe ?? { pauses: 0, since: now() } } : delivery,
    settling: (settlement, begun, settle) => {
      if (settlement._tag === "Pause") {
        return Effect.andThen(pauseFor(settlement, begun), settle)
      }
      if (state._tag !== "Probing" || begun !== period) return settle
      if (settlement._tag === "Ack") {
        const succeed = change(
          () => begun === period,
          Effect.andThen(Effect.logInfo(`"${name}" takes events again`), goOnNow)
        )
        return Effect.andThen(settle, succeed)
      }
      // It ended in another way, which says nothing about what the subscription waits for.
      if (settlement._tag !== "Requeue") probe = undefined
      return settle
    },
    start: (f) => {
      giveBackLater = f
    },
    stop: Effect.suspend(() => {
      isStopped = true
      const cancel = Effect.suspend(() => {
        // Only now, as a change that was under way may have resumed it.
        if (state._tag !== "Running") paused(-1)
        if (keys === undefined) return session?.consumer.cancel ?? Effect.void
        // Its deliveries go back in their order, all at once, when the scope closes.
        dispatch.close()
        keys.close()
        return Effect.void
      })
      return Effect.andThen(FiberHandle.clear(coming), cancel).pipe(
        alone.withPermit,
        Effect.andThen(PubSub.shutdown(states))
      )
    })
  }
})
