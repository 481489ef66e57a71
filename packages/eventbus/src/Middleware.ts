/**
 * Middleware of a bus, which wraps all of its handlers and publishes.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PublishError } from "./broker/PublishError.ts"
import type { Event } from "./event/Event.ts"
import { EventBus } from "./EventBus.ts"
import * as Publisher from "./publish/Publisher.ts"
import type { AroundPublish, RequestOptions } from "./request/Requester.ts"
import type { DecodedDelivery } from "./subscribe/DecodedDelivery.ts"
import * as Handler from "./subscribe/Handler.ts"
import type { Settlement } from "./subscribe/Settlement.ts"

/**
 * Wraps the handling of a delivery. It returns the settlement of `next`, or one of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandleMiddleware<in out R> {
  <E, R0>(next: Effect.Effect<Settlement, E, R0>, delivery: DecodedDelivery): Effect.Effect<Settlement, E, R | R0>
}

/**
 * Wraps a publish. It passes the event to `next`, changed or not, once.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishMiddleware<in out R> {
  (event: Event, next: (event: Event) => Effect.Effect<void, PublishError>): Effect.Effect<void, PublishError, R>
}

/**
 * Options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in out R> {
  /** Wraps each handling, for handlers that are subscribed through this bus. */
  readonly handle?: HandleMiddleware<R> | undefined
  /** Wraps each publish through this bus. */
  readonly publish?: PublishMiddleware<R> | undefined
  /** The name that `steps` of a wrapped handler show. Default: `middleware`. */
  readonly name?: string | undefined
}

/**
 * A layer that wraps every handler and every publish of the bus that it is given.
 *
 * **When to use**
 *
 * Use it for what concerns all events alike, such as the tenant, access rights, or log
 * annotations. `Handler.around` does the same for one handler.
 *
 * **Details**
 *
 * Order: of two layers, the one nearer to the bus is the nearer one to the wire. It runs
 * second on the way out, around the publish, and first on the way in, around the other
 * one and the handler.
 *
 * Middleware runs outside all steps of a handler, so it sees what the failure policy has
 * decided: a settlement. Only errors that the handler left without a policy are still
 * errors there.
 *
 * It sees events, never bytes: what cannot be decoded, is too large or has expired does
 * not reach it. It runs once for each attempt of a handler.
 *
 * A publish passes through it once, and so does a request. A reply, a retry, a dead letter
 * and a replay are moved by the bus itself, and do not pass through it. `publishAll` calls
 * it for each event. The options of a publish are not changed.
 *
 * **Gotchas**
 *
 * `EventBus.stream` is not wrapped, because you settle its deliveries yourself.
 *
 * **Example** (Annotating log lines with the tenant of each event)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Deferred, Effect, Layer, Schema } from "effect"
 * import { EventBus, EventType, Handler, Middleware, Subscription } from "effect-eventbus"
 *
 * const Ordered = EventType.make("ordered", { payload: Schema.Struct({ tenant: Schema.String }) })
 * const seen: Array<string> = []
 *
 * const Audited = Middleware.layer({
 *   handle: (next, { event }) => Effect.annotateLogs(next, { eventId: event.eventId }),
 *   publish: (event, next) => Effect.tap(next(event), () => Effect.sync(() => seen.push(event.eventType)))
 * }).pipe(Layer.provide(EventBus.layerMemory))
 *
 * const program = Effect.gen(function* () {
 *   const bus = yield* EventBus.EventBus
 *   const done = yield* Deferred.make<void>()
 *   yield* bus.subscribe(
 *     Handler.make(Subscription.make("orders", { events: [Ordered] }), () => Deferred.succeed(done, undefined))
 *   )
 *   yield* bus.publish(yield* Ordered.event({ tenant: "acme" }))
 *   yield* Deferred.await(done)
 *   assert.deepStrictEqual(seen, ["ordered"])
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Audited)))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(options: Options<R>): Layer.Layer<EventBus, never, EventBus | R> =>
  Layer.fresh(
    Layer.effect(
      EventBus,
      Effect.gen(function* () {
        const bus = yield* EventBus
        const context = yield* Effect.context<R>()
        const { handle, name = "middleware", publish } = options

        /** Adds the services of the middleware below those of the caller, such as its span and correlation. */
        const provided = <A, E, R0>(self: Effect.Effect<A, E, R | R0>): Effect.Effect<A, E, R0> =>
          Effect.updateContext(self, (own: Context.Context<R0>) => Context.merge(context, own))

        const wrapped = <Ev extends Event, E, R0>(handler: Handler.Handler<Ev, E, R0>): Handler.Handler<Ev, E, R0> =>
          handle === undefined
            ? handler
            : Handler.around(
                handler,
                (inner): Handler.Handle<Ev, E, R0> =>
                  (delivery) =>
                    provided(Effect.suspend(() => handle(inner(delivery), delivery))),
                { name }
              )

        const wrapping = EventBus.of({
          ...bus,
          subscribe: (handler) => bus.subscribe(wrapped(handler)),
          run: (handler) => bus.run(wrapped(handler))
        })
        if (publish === undefined) return wrapping

        const around: AroundPublish = (event, next) =>
          provided<void, PublishError, never>(Effect.suspend(() => publish(event, next)))
        const send: EventBus["Service"]["publish"] = (event, given) =>
          around(event, (event) => bus.publish(event, given))
        /** Those of the layers above come first. */
        const below = (given: RequestOptions): RequestOptions => {
          const { around: outer } = given
          return {
            ...given,
            around: outer === undefined ? around : (event, next) => outer(event, (event) => around(event, next))
          }
        }

        return EventBus.of({
          ...wrapping,
          publish: send,
          publishAll: (events, given) => Publisher.inLanes(Array.from(events, (event) => send(event, given))),
          request: (event, given) => bus.request(event, below(given)),
          ask: (event, replies, given) => bus.ask(event, replies, below(given))
        })
      })
    )
  )
