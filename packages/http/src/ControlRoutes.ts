/**
 * The routes that show, pause and resume subscriptions, for operators.
 *
 * @since 0.1.0
 */

import type { SubscribeError } from "effect-eventbus/BrokerError"
import * as Control from "effect-eventbus/Control"
import { EventBus } from "effect-eventbus/EventBus"
import type { PublishError } from "effect-eventbus/PublishError"
import type { SubscriptionState } from "effect-eventbus/SubscriptionState"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

const answer = (status: number, body: unknown) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: { "cache-control": "no-store" } })

const iso = (millis: number): string => new Date(millis).toISOString()

const toJson = (queue: string, state: SubscriptionState) => ({
  queue,
  state: state._tag.toLowerCase(),
  by: state._tag === "Running" ? null : state.by,
  since: state._tag === "Running" ? null : iso(state.since),
  until: state._tag === "Paused" && state.until !== undefined ? iso(state.until) : null
})

const PauseBody = Schema.Struct({
  by: Schema.optionalKey(Schema.String),
  for_ms: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0)))
})

const ResumeBody = Schema.Struct({ by: Schema.optionalKey(Schema.String) })

const routes = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const bus = yield* EventBus

    const show = Effect.flatMap(bus.subscriptions, (all) =>
      Effect.forEach(all, ({ queue, state }) => Effect.map(state, (state) => toJson(queue, state)))
    )

    /** Passes on a request for a subscription that runs here. */
    const ask = <A>(
      what: string,
      schema: Schema.ConstraintCodec<A, unknown>,
      f: (queue: string, options: A) => Effect.Effect<void, PublishError, EventBus>
    ) =>
      Effect.gen(function* () {
        const { queue = "" } = yield* HttpRouter.params
        const { headers } = yield* HttpServerRequest.HttpServerRequest
        // A page of another origin can send other types without being allowed to.
        if (!/^application\/json\b/.test(headers["content-type"] ?? "")) {
          return answer(415, { error: "send a JSON object, with the content type application/json" })
        }
        const isHere = (yield* bus.subscriptions).some((running) => running.queue === queue)
        if (!isHere) return answer(404, { error: `no subscription "${queue.slice(0, 200)}" runs here` })
        return yield* Effect.matchEffect(HttpServerRequest.schemaBodyJson(schema), {
          onFailure: ({ message }) => Effect.succeed(answer(400, { error: message.slice(0, 1000) })),
          onSuccess: (options) =>
            Effect.match(f(queue, options), {
              onFailure: ({ message }) => answer(503, { error: message }),
              onSuccess: () => answer(202, { queue, asked: what })
            })
        })
      }).pipe(Effect.provideService(EventBus, bus))

    yield* router.add(
      "GET",
      "/subscriptions",
      Effect.map(show, (all) => answer(200, all))
    )
    yield* router.add(
      "POST",
      "/subscriptions/:queue/pause",
      ask("pause", PauseBody, (queue, { by, for_ms }) => Control.pause(queue, { by, for: for_ms }))
    )
    yield* router.add("POST", "/subscriptions/:queue/resume", ask("resume", ResumeBody, Control.resume))
  })
)

/**
 * A layer with the routes that control subscriptions, for an app that has a server.
 *
 * **Details**
 *
 * `GET /subscriptions` lists the subscriptions of this process, with their states.
 * `POST /subscriptions/{queue}/pause` asks all processes that run a subscription to pause
 * it, and `…/resume` to resume it. They return 202 when the broker has the request, which
 * is an event that `Control.layer` hears. It is part of this layer; add it to processes
 * without these routes. The body is a JSON object, which may have a `by` and, for a pause,
 * a `for_ms`.
 *
 * They return 404 for a subscription that does not run in this process, 400 for a wrong
 * body, 415 for one that is not `application/json`, and 503 when the broker does not take
 * the request.
 *
 * **Gotchas**
 *
 * The routes check no rights. Serve them to operators only.
 *
 * **Example** (Pausing a subscription over HTTP)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { ControlRoutes } from "@effect-eventbus/http"
 * import { Effect, Layer } from "effect"
 * import { EventBus, Handler, Subscription } from "effect-eventbus"
 * import { HttpRouter } from "effect/http"
 *
 * const Billing = EventBus.subscriber(
 *   Handler.make(Subscription.make("billing", { patterns: ["invoice.#"] }), () => Effect.void)
 * )
 * const Routes = Layer.merge(ControlRoutes.layer, Billing).pipe(Layer.provide(EventBus.layerMemory))
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(Routes)
 * const response = await handler(
 *   new Request("http://localhost/subscriptions/billing/pause", {
 *     method: "POST",
 *     headers: { "content-type": "application/json" },
 *     body: JSON.stringify({ by: "Ada", for_ms: 60_000 })
 *   })
 * )
 * assert.strictEqual(response.status, 202)
 * await dispose()
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, SubscribeError, HttpRouter.HttpRouter | EventBus> = Layer.merge(
  routes,
  Control.layer
)
