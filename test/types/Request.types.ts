/**
 * Code that must compile, and code that must not. Nothing here runs: `npm run check` reads it, and an
 * `@ts-expect-error` above a line that compiles is an error.
 */
// @effect-diagnostics *:skip-file
import { Context, Effect, Schema } from "effect"
import {
  type EventBus,
  EventType,
  FailurePolicy,
  Handler,
  Request,
  type RequestError,
  Subscription
} from "effect-eventbus"

class Declined extends Schema.TaggedError<Declined>()("Declined", { code: Schema.String }) {}
class Other extends Schema.TaggedError<Other>()("Other", {}) {}
class Terminal extends Context.Service<Terminal, { readonly charge: Effect.Effect<void, Declined> }>()(
  "test/Terminal"
) {}

const Charge = Request.make("card.charge", {
  payload: Schema.Struct({ cents: Schema.Int }),
  success: Schema.Struct({ at: Schema.Date }),
  error: Declined
})
const Forget = Request.make("user.forget", { payload: Schema.Struct({ id: Schema.String }) })
const Plain = EventType.make("card.plain", { payload: Schema.Struct({ cents: Schema.Int }) })
const cards = Subscription.make("cards", { events: [Charge] })
const paid = Effect.succeed({ at: new Date(0) })

type Charged = EventType.EventOf<typeof Charge>
const accepts = (_handler: Handler.Handler<Charged, never, never>): void => {}

// The typed error is an answer, so no policy has to answer it.
accepts(
  Request.handle(cards, Charge, ({ payload }) => (payload.cents > 1 ? Effect.fail(new Declined({ code: "" })) : paid))
)
accepts(Request.handle(cards, Charge, () => paid).pipe(Handler.onFailure(FailurePolicy.deadLetter)))

// A handler requires what its effect requires, and no bus.
const needy = Request.handle(cards, Charge, () =>
  Effect.andThen(
    Effect.flatMap(Terminal, ({ charge }) => charge),
    paid
  )
)
const _needy: Handler.Handler<Charged, never, Terminal> = needy
// @ts-expect-error
accepts(needy)

// @ts-expect-error an error that the request does not name
Request.handle(cards, Charge, () => Effect.fail(new Other()))
// @ts-expect-error another value than that of the request
Request.handle(cards, Charge, () => Effect.succeed({ at: "now" }))
// @ts-expect-error a request without an error has a handler that cannot fail
Request.handle(Subscription.make("users", { events: [Forget] }), Forget, () => Effect.fail(new Declined({ code: "" })))
// @ts-expect-error a subscription of something else
Request.handle(Subscription.make("users", { events: [Forget] }), Charge, () => paid)
// @ts-expect-error an event type is no request
Request.handle(Subscription.make("plain", { events: [Plain] }), Plain, () => paid)

const call: Effect.Effect<{ readonly at: Date }, Declined | RequestError.RequestError, EventBus.EventBus> =
  Request.call(Charge, { cents: 1 }, { timeout: "1 second" })
const _handled: Effect.Effect<{ readonly at: Date }, RequestError.RequestError, EventBus.EventBus> = call.pipe(
  Effect.catchTag("Declined", () => paid)
)
const _forgotten: Effect.Effect<void, RequestError.RequestError, EventBus.EventBus> = Request.call(
  Forget,
  { id: "1" },
  { timeout: 10, priority: "high" }
)
// @ts-expect-error no call without a timeout
Request.call(Charge, { cents: 1 }, {})
// @ts-expect-error the timeout is the time to live
Request.call(Charge, { cents: 1 }, { timeout: 1, ttlSeconds: 1 })
// @ts-expect-error another payload
Request.call(Charge, { euros: 1 }, { timeout: 1 })
// @ts-expect-error an event type is no request
Request.call(Plain, { cents: 1 }, { timeout: 1 })

declare const bus: EventBus.EventBus["Service"]
declare const question: Charged
const _asked: Effect.Effect<EventType.EventOf<typeof Plain>, RequestError.RequestError> = bus.ask(question, [Plain], {
  timeout: "1 second"
})
// @ts-expect-error an answer has a type
bus.ask(question, [], { timeout: "1 second" })
