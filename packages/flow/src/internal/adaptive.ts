/**
 * A concurrency that adapts to what a handler depends on.
 *
 * @internal
 */

import type { Event } from "effect-eventbus/Event"
import * as Handler from "effect-eventbus/Handler"
import * as Settlement from "effect-eventbus/Settlement"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { checkCanGiveBack, longestWait, positive, whole } from "./held.ts"

/**
 * Options of `adaptive`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AdaptiveOptions {
  /** The lowest concurrency, with which it starts. */
  readonly min: number
  /** The highest concurrency. The subscription must allow as many. */
  readonly max: number
  /** The time that a handler may take before the concurrency is halved. */
  readonly target: Duration.Input
}

const gauge = Metric.gauge("eventbus_adaptive_concurrency", {
  description: "Events that a handler with an adaptive concurrency may handle at once"
})

/**
 * Adapts the number of events that are handled at once: it grows by one when as many
 * events as that were handled within the target time, and halves when one fails or takes
 * longer.
 *
 * **Details**
 *
 * It halves at most once in the target time, because events that were handled at the same
 * time fail together. Events beyond the concurrency wait in front of the handler, at most
 * for 30 seconds. Then they go back to their queue unchanged. The gauge
 * `eventbus_adaptive_concurrency` has the current number for each queue.
 *
 * Throws a `RangeError` unless `1 <= min <= max`, and `max` is at most the concurrency of
 * the subscription, for a `target` that is not above 0, and for an at-most-once subscription.
 *
 * **Example** (Up to 64 at once, while they take no longer than 200 ms)
 *
 * ```ts
 * import { Flow } from "@effect-eventbus/flow"
 * import { Effect } from "effect"
 * import { Handler, Subscription } from "effect-eventbus"
 *
 * const subscription = Subscription.make("thumbnails", { patterns: ["image.#"], concurrency: 64 })
 * const handler = Handler.make(subscription, () => Effect.void).pipe(
 *   Flow.adaptive({ min: 1, max: 64, target: "200 millis" })
 * )
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const adaptive = (options: AdaptiveOptions) => {
  const min = whole("The lowest concurrency", options.min, 1)
  const max = whole("The highest concurrency", options.max, min)
  const target = Duration.toMillis(positive("The target of an adaptive concurrency", options.target))
  return <Ev extends Event, E, R>(self: Handler.Handler<Ev, E, R>): Handler.Handler<Ev, E, R> => {
    const { concurrency, name } = self.subscription
    checkCanGiveBack(self, "an adaptive concurrency")
    if (concurrency !== undefined && concurrency < max) {
      throw new RangeError(
        `"${name}" handles ${concurrency} events at once, so its adaptive concurrency cannot be ${max}`
      )
    }
    const shown = Metric.withAttributes(gauge, { queue: name })

    return Handler.around(
      self,
      (handle): Handler.Handle<Ev, E, R> => {
        const slots = Semaphore.makeUnsafe(min)
        const release = slots.release(1)
        let limit = min
        let succeeded = 0
        let halvedAt = -Infinity

        const become = (next: number) => {
          if (next === limit) return undefined
          limit = next
          succeeded = 0
          return Effect.andThen(slots.resize(limit), Metric.update(shown, limit))
        }

        const learn = (since: number, now: number, exit: Exit.Exit<Settlement.Settlement, E>) => {
          if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return undefined
          const hasFailed = Exit.isFailure(exit) || Settlement.faultOf(exit.value) !== undefined
          // A step inside holds it up, such as a rate limit or an open circuit: what it depends on was not called.
          if (!hasFailed && (exit.value._tag === "Pause" || exit.value._tag === "Requeue")) return undefined
          if (hasFailed || now - since > target) {
            if (now - halvedAt < target) return undefined
            halvedAt = now
            return become(Math.max(min, Math.floor(limit / 2)))
          }
          succeeded += 1
          return succeeded < limit ? undefined : become(Math.min(max, limit + 1))
        }

        /** Runs an effect that has a slot, learns from it, and gives the slot back. */
        const run = (effect: Effect.Effect<Settlement.Settlement, E, R>): Effect.Effect<Settlement.Settlement, E, R> =>
          Effect.clockWith((clock) => {
            const since = clock.currentTimeMillisUnsafe()
            return Effect.onExitPrimitive(effect, (exit) => {
              const learned = learn(since, clock.currentTimeMillisUnsafe(), exit)
              return learned === undefined ? release : Effect.andThen(learned, release)
            })
          })
        // Only what finds no slot needs a timer.
        const wait = Effect.timeoutOption(slots.take(1), longestWait)

        return (delivery) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(slots.takeIfAvailable(1), (isFree) =>
              isFree
                ? run(restore(handle(delivery)))
                : Effect.flatMap(restore(wait), (slot) =>
                    Option.isSome(slot) ? run(restore(handle(delivery))) : Effect.succeed(Settlement.requeue)
                  )
            )
          )
      },
      { name: `adaptive concurrency: ${min} to ${max}` }
    )
  }
}
