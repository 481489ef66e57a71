/**
 * The rate limit of a handler.
 *
 * @internal
 */

import type { Event } from "effect-eventbus/Event"
import * as Handler from "effect-eventbus/Handler"
import * as Settlement from "effect-eventbus/Settlement"
import type { Settlement as AnySettlement } from "effect-eventbus/Settlement"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { checkCanGiveBack, longestWait, positive, whole } from "./held.ts"

/** An event that may go on later than this goes back to its queue, in milliseconds. */
const shortWait = 1000

/** The pause when the store of the limiter does not answer. */
const storePause = "5 seconds"

/**
 * Options of `rateLimit`.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateLimitOptions {
  /** The number of events that may be handled in each window. */
  readonly limit: number
  readonly window: Duration.Input
  /** The name of the limit, which handlers may share. Default: the name of the queue. */
  readonly key?: string | undefined
}

/**
 * Limits the number of events that are handled in a window of time.
 *
 * **Details**
 *
 * An event that may go on within a second waits for it. If it takes longer, the event goes
 * back to its queue unchanged, and the subscription pauses for that time. No attempt is
 * used up. So the rest of a long window is spent without unacknowledged events.
 *
 * Instances share the limit where they share the store: see Effect's `RateLimiter`. While
 * the store does not answer, the subscription pauses.
 *
 * Throws a `RangeError` for a `limit` that is not a whole number of at least 1, a
 * `window` that is not above 0, and an at-most-once subscription.
 *
 * **Gotchas**
 *
 * Windows follow each other. Across the border of two of them, as many as twice the limit
 * may be handled within one window's time.
 *
 * **Example** (Fifty calls a second)
 *
 * ```ts
 * import { Flow } from "@effect-eventbus/flow"
 * import { Effect, Layer } from "effect"
 * import { EventBus, Handler, Subscription } from "effect-eventbus"
 * import { RateLimiter } from "effect/persistence"
 *
 * const handler = Handler.make(Subscription.make("mails", { patterns: ["mail.#"] }), () => Effect.void).pipe(
 *   Flow.rateLimit({ limit: 50, window: "1 second" })
 * )
 *
 * const App = EventBus.subscriber(handler).pipe(
 *   Layer.provide(EventBus.layerMemory),
 *   Layer.provide(RateLimiter.layer),
 *   Layer.provide(RateLimiter.layerStoreMemory)
 * )
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const rateLimit = (options: RateLimitOptions) => {
  const limit = whole("The limit of a rate", options.limit, 1)
  const window = positive("The window of a rate", options.window)
  return <Ev extends Event, E, R>(
    self: Handler.Handler<Ev, E, R>
  ): Handler.Handler<Ev, E, R | RateLimiter.RateLimiter> => {
    checkCanGiveBack(self, "a rate limit")
    const key = options.key ?? self.subscription.name
    const ask = { key, limit, window, onExceeded: "fail" } as const

    /** Runs an effect when the limit allows it, or pauses. `waited` is the time that the event has waited for that. */
    const whenAllowed = <E2, R2>(
      effect: Effect.Effect<AnySettlement, E2, R2>,
      waited: number
    ): Effect.Effect<AnySettlement, E2, R2 | RateLimiter.RateLimiter> =>
      RateLimiter.RateLimiter.use((limiter) =>
        Effect.matchEffect(limiter.consume(ask), {
          onSuccess: () => effect,
          onFailure: ({ message, reason }) => {
            if (reason._tag !== "RateLimitExceeded") {
              return Effect.as(
                Effect.logWarning(`The store of the rate limit "${key}" does not answer: ${message}`),
                Settlement.pause(storePause, { by: `the store of the rate limit "${key}"` })
              )
            }
            const millis = Math.max(1, Math.ceil(Duration.toMillis(reason.retryAfter)))
            return millis > shortWait || waited + millis > longestWait
              ? Effect.succeed(Settlement.pause(millis, { by: `the rate limit "${key}"` }))
              : Effect.andThen(Effect.sleep(millis), whenAllowed(effect, waited + millis))
          }
        })
      )

    return Handler.around<Ev, E, R, E, R | RateLimiter.RateLimiter>(
      self,
      (handle) => (delivery) => whenAllowed(handle(delivery), 0),
      { name: `rate limit: ${limit} in ${Duration.format(window)}` }
    )
  }
}
