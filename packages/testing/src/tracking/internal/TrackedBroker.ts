/**
 * A layer around a broker, which tells the tracker where the copies of events are.
 *
 * @internal
 */

import type { Broker } from "effect-eventbus/Broker"
import type { Envelope } from "effect-eventbus/Envelope"
import type { Reason } from "effect-eventbus/PublishError"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import { type Activity, noQueue } from "./Activity.ts"
import type { Tracking } from "./Tracking.ts"

type Service = Broker["Service"]

/** Returns the name of the reason why a publish failed. */
const reasonOf = (cause: Cause.Cause<Reason>): string =>
  Result.getOrUndefined(Cause.findError(cause))?._tag ?? (Cause.hasInterruptsOnly(cause) ? "Interrupted" : "Defect")

export const make = (broker: Service, tracking: Tracking): Service => {
  /** Sends an envelope to queues, and notes what became of it. */
  const send = (
    envelope: Envelope,
    queuesOf: () => ReadonlyArray<string>,
    delay: number | undefined,
    noteBefore: (activity: Activity) => void,
    sending: Effect.Effect<void, Reason>
  ): Effect.Effect<void, Reason> =>
    Effect.withFiber((fiber) => {
      const activity = tracking.claim(fiber, envelope)
      if (activity === undefined) return sending
      noteBefore(activity)
      // They may be delivered before the broker confirms them.
      const copies = tracking.add(activity, queuesOf(), envelope, delay)
      activity.inFlight++
      return Effect.onExit(sending, (exit) =>
        Effect.sync(() => {
          activity.inFlight--
          if (Exit.isSuccess(exit)) tracking.land(copies)
          else {
            tracking.drop(copies)
            const reason = reasonOf(exit.cause)
            activity.note(reason === "Unroutable" ? "unroutable" : "not published", tracking.now, envelope, { reason })
          }
          activity.changed.openUnsafe()
        })
      )
    })

  return {
    ...broker,
    publish: (envelope, delay) =>
      send(
        envelope,
        // A delayed event comes to the queues that are bound for it when it is due.
        () => (delay === undefined ? tracking.queues.route(envelope.routingKey) : [noQueue]),
        delay,
        (activity) => activity.note("published", tracking.now, envelope, { delay }),
        broker.publish(envelope, delay)
      ),
    put: (to, envelope, delay) =>
      send(
        envelope,
        () => [to],
        delay,
        (activity) => {
          const isReplay = envelope.round > 0 && envelope.fault === undefined && !QueueSpec.isDeadLetterQueue(to)
          if (isReplay) activity.note("replayed", tracking.now, envelope, { queue: to })
        },
        broker.put(to, envelope, delay)
      ),
    declare: (spec) =>
      Effect.suspend(() => {
        tracking.queues.declare(spec)
        return broker.declare(spec)
      }),
    consume: Effect.fnUntraced(function* (spec, deliver) {
      const { name } = spec
      const self = {}
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          tracking.queues.declare(spec)
          tracking.queues.count(name, 1)
        }),
        () =>
          Effect.sync(() => {
            tracking.queues.count(name, -1)
            tracking.release(self)
            if (spec.temporary) tracking.queues.remove(name)
          })
      )
      return yield* broker.consume(spec, (delivery) => deliver(tracking.deliver(name, self, delivery)))
    }),
    browse: (name) =>
      Effect.map(broker.browse(name), (browser) => ({
        ...browser,
        take: (atMost) =>
          Effect.map(browser.take(atMost), (taken) =>
            taken.map(({ envelope, remove }) => ({
              envelope,
              remove: Effect.tap(remove, () => Effect.sync(() => tracking.take(name, envelope)))
            }))
          )
      })),
    purge: (name) => Effect.tap(broker.purge(name), () => Effect.sync(() => tracking.take(name)))
  }
}
