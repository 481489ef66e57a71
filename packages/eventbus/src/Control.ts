/**
 * Pauses and resumes a subscription in all processes that run it.
 *
 * The request is an event. Each process that has the layer hears it, on a temporary queue
 * of its own.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { SubscribeError } from "./broker/BrokerError.ts"
import type { PublishError } from "./broker/PublishError.ts"
import * as QueueSpec from "./broker/QueueSpec.ts"
import * as EventType from "./event/EventType.ts"
import { EventBus } from "./EventBus.ts"
import * as Handler from "./subscribe/Handler.ts"
import * as Subscription from "./subscribe/Subscription.ts"
import { type PauseOptions, pauseTime } from "./subscribe/SubscriptionState.ts"

/** A request that a process could not hear in time is of no use to it later. */
const ttlSeconds = 60

/**
 * The event that asks every process to pause a subscription.
 *
 * @category models
 * @since 0.1.0
 */
export const Pause = EventType.make("eventbus.pause", {
  payload: Schema.Struct({
    queue: Schema.String,
    by: Schema.String,
    /** The time that the pause lasts, in milliseconds. Without it, the pause lasts until the subscription is resumed. */
    for_ms: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0)))
  })
})

/**
 * The event that asks every process to resume a subscription.
 *
 * @category models
 * @since 0.1.0
 */
export const Resume = EventType.make("eventbus.resume", {
  payload: Schema.Struct({ queue: Schema.String, by: Schema.String })
})

/**
 * Asks all processes that run a subscription to pause it.
 *
 * **Details**
 *
 * It succeeds when the broker has handed the request to every process that listens, and
 * does not wait for their handlers to end. It fails with `Unroutable` when no process
 * listens. Throws a `RangeError` for an invalid name, and when `for` is not more than 0.
 *
 * **Gotchas**
 *
 * A process that starts later, or has no connection to the broker at the time, does not
 * hear the request. A subscription by `#` receives the request as an event, which puts on
 * record who paused what.
 *
 * **Example** (Pausing a subscription while a database is migrated)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect, Layer } from "effect"
 * import { Control, EventBus, Handler, Subscription } from "effect-eventbus"
 *
 * const Billing = EventBus.subscriber(
 *   Handler.make(Subscription.make("billing", { patterns: ["invoice.#"] }), () => Effect.void)
 * )
 * const App = Layer.merge(Billing, Control.layer).pipe(Layer.provideMerge(EventBus.layerMemory))
 *
 * const program = Effect.gen(function* () {
 *   yield* Control.pause("billing", { by: "migration" })
 *   const { details } = yield* EventBus.EventBus.use((bus) => Effect.delay(bus.health, "10 millis"))
 *   assert.strictEqual(details["paused"], '"billing": paused by migration')
 *   yield* Control.resume("billing")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, App))
 * ```
 *
 * @category controlling
 * @since 0.1.0
 */
export const pause = (queue: string, options: PauseOptions = {}): Effect.Effect<void, PublishError, EventBus> => {
  QueueSpec.checkQueue(queue)
  const time = pauseTime(options)
  const payload = { queue, by: options.by ?? "hand" }
  const lasting = Duration.isFinite(time) ? { for_ms: Math.ceil(Duration.toMillis(time)) } : {}
  return Effect.gen(function* () {
    const bus = yield* EventBus
    yield* bus.publish(yield* Pause.event({ ...payload, ...lasting }, { ttlSeconds }), { unroutable: "fail" })
  })
}

/**
 * Asks all processes that run a subscription to resume it. It fails with `Unroutable` when
 * no process listens. Throws a `RangeError` for an invalid name.
 *
 * @category controlling
 * @since 0.1.0
 */
export const resume = (
  queue: string,
  options: { readonly by?: string | undefined } = {}
): Effect.Effect<void, PublishError, EventBus> => {
  QueueSpec.checkQueue(queue)
  return Effect.gen(function* () {
    const bus = yield* EventBus
    yield* bus.publish(yield* Resume.event({ queue, by: options.by ?? "hand" }, { ttlSeconds }), { unroutable: "fail" })
  })
}

/**
 * A layer that listens for requests to pause and resume the subscriptions of a bus.
 *
 * **Details**
 *
 * It declares a temporary queue, `eventbus.control.{uuid}`. Every user with the right to
 * publish to the exchange can pause the subscriptions of a bus with this layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, SubscribeError, EventBus> = Layer.effectDiscard(
  Effect.gen(function* () {
    const bus = yield* EventBus
    const requests = Subscription.make(`eventbus.control.${crypto.randomUUID()}`, {
      events: [Pause, Resume],
      temporary: true,
      concurrency: 1
    })
    const handler = Handler.make(requests, (request) =>
      Effect.gen(function* () {
        const { by, queue } = request.payload
        const own = (yield* bus.subscriptions).filter((running) => running.queue === queue)
        if (own.length === 0) return
        const isPause = request.eventType === "eventbus.pause"
        const options = isPause ? { by, for: request.payload.for_ms } : undefined
        yield* Effect.logInfo(`${isPause ? "Pausing" : "Resuming"} "${queue}", as ${by} asked`)
        yield* Effect.forEach(own, (running) => (options === undefined ? running.resume : running.pause(options)), {
          concurrency: "unbounded",
          discard: true
        })
      })
    )
    yield* bus.subscribe(handler)
  })
)
