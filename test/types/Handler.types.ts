/**
 * Code that must compile, and code that must not. Nothing here runs: `npm run check` reads it, and an
 * `@ts-expect-error` above a line that compiles is an error.
 */
// @effect-diagnostics *:skip-file
import { type Cause, Context, Effect, Layer, Schedule, Schema } from "effect"
import { type Event as AnyEvent, EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"

class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", { seconds: Schema.Finite }) {}
class UnknownInvoice extends Schema.TaggedError<UnknownInvoice>()("UnknownInvoice", {}) {}
class Ledger extends Context.Service<Ledger, { readonly enter: Effect.Effect<void, RateLimited> }>()("test/Ledger") {}

declare const ledger: Layer.Layer<Ledger>
declare const work: Effect.Effect<void, RateLimited | UnknownInvoice>
declare const wait: Schedule.Schedule<unknown>

const InvoicePaid = EventType.make("invoice.paid", { payload: Schema.Struct({ cents: Schema.Int }) })
const UserCreated = EventType.make("user.created", { payload: Schema.Struct({ name: Schema.String }) })
const billing = Subscription.make("billing", { events: [InvoicePaid, UserCreated] })
const failing = Handler.make(billing, () => work)

type Event = EventType.EventOf<typeof InvoicePaid | typeof UserCreated>

/** Compiles only for a handler that cannot fail and needs nothing. */
const accepts = (_handler: Handler.Handler<Event, never, never>): void => {}

// Every error has an answer.
const answers = { RateLimited: FailurePolicy.retry(wait), UnknownInvoice: FailurePolicy.deadLetter }
accepts(failing.pipe(Handler.onFailure(FailurePolicy.tags(answers))))
accepts(Handler.onFailure(failing, FailurePolicy.tags(answers)))
accepts(failing.pipe(Handler.onFailure(FailurePolicy.retryUpToMax)))
accepts(
  failing.pipe(
    Handler.onFailure(
      FailurePolicy.tags({
        RateLimited: FailurePolicy.retry(
          Schedule.exponential("1 second").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))
        ),
        UnknownInvoice: FailurePolicy.retry(wait).pipe(FailurePolicy.orElse(FailurePolicy.discard))
      })
    )
  )
)
// An answer to an error that the handler does not have is a mistake.
const tooMany = FailurePolicy.tags({ ...answers, Other: FailurePolicy.discard })
// @ts-expect-error no error has the tag Other
failing.pipe(Handler.onFailure(tooMany))
// @ts-expect-error no error has the tag Other
Handler.onFailure(failing, tooMany)
// @ts-expect-error no error has the tag Other
failing.pipe(Handler.onFailure(tooMany.pipe(FailurePolicy.orElse(FailurePolicy.discard))))
// @ts-expect-error no error has the tag Other
failing.pipe(Handler.onFailure(FailurePolicy.retryUpToMax.pipe(FailurePolicy.orElse(tooMany))))
// @ts-expect-error a handler that cannot fail has no tags
Handler.make(billing, () => Effect.void).pipe(Handler.onFailure(FailurePolicy.tags(answers)))

// A policy with its errors as its type is for all handlers that fail with some of them.
const shared: FailurePolicy.FailurePolicy<RateLimited | UnknownInvoice> = FailurePolicy.tags(answers)
accepts(failing.pipe(Handler.onFailure(shared)))
accepts(Handler.make(billing, () => Effect.fail(new UnknownInvoice())).pipe(Handler.onFailure(shared)))
accepts(Handler.make(billing, () => Effect.void).pipe(Handler.onFailure(shared)))
const named: Readonly<Record<string, FailurePolicy.FailurePolicy<unknown>>> = answers
accepts(failing.pipe(Handler.onFailure(FailurePolicy.orElse(FailurePolicy.tags(named), shared))))

// A defect needs no error.
accepts(
  Handler.make(billing, () => Effect.void).pipe(
    Handler.onFailure(FailurePolicy.tags({}, { defect: FailurePolicy.discard }))
  )
)

// A function may add a policy to handlers of any error.
const patient = <Ev extends AnyEvent.Event, E, R>(handler: Handler.Handler<Ev, E, R>): Handler.Handler<Ev, never, R> =>
  Handler.onFailure(handler, FailurePolicy.retry(wait).pipe(FailurePolicy.orElse(FailurePolicy.discard)))
accepts(failing.pipe(patient))

const half = FailurePolicy.tags({ RateLimited: FailurePolicy.retryUpToMax })
// @ts-expect-error UnknownInvoice has no answer
accepts(failing.pipe(Handler.onFailure(half)))
// @ts-expect-error UnknownInvoice has no answer
Handler.onFailure(failing, half)
// @ts-expect-error no error has an answer
failing.pipe(Handler.onFailure(FailurePolicy.tags({})))
// @ts-expect-error a second policy does not answer more than the first
failing.pipe(Handler.onFailure(half.pipe(FailurePolicy.orElse(FailurePolicy.deadLetter))))
// @ts-expect-error the handler can still fail
accepts(failing)

// A timeout is an error like any other, if it is there before the answers.
const slow = failing.pipe(Handler.timeout("30 seconds"))
const answersInTime = { ...answers, TimeoutError: FailurePolicy.retryUpToMax }
accepts(slow.pipe(Handler.onFailure(FailurePolicy.tags(answersInTime))))
// @ts-expect-error TimeoutError has no answer
slow.pipe(Handler.onFailure(FailurePolicy.tags(answers)))

// After the answers, a timeout has no answer yet. Another policy can give it one.
const late = Handler.timeout(failing.pipe(Handler.onFailure(FailurePolicy.tags(answers))), "30 seconds")
// @ts-expect-error TimeoutError has no answer
accepts(late)
accepts(late.pipe(Handler.onFailure(FailurePolicy.tags({ TimeoutError: FailurePolicy.discard }))))
// @ts-expect-error RateLimited is answered already
late.pipe(Handler.onFailure(FailurePolicy.tags(answersInTime)))

// What `tap` does may fail as well.
const tapped = Handler.make(billing, () => Effect.void).pipe(Handler.tap(() => work))
accepts(tapped.pipe(Handler.onFailure(FailurePolicy.tags(answers))))
// @ts-expect-error UnknownInvoice has no answer
tapped.pipe(Handler.onFailure(half))

// Errors without a tag are for the policies that take any error.
const untagged = Handler.make(billing, () => Effect.fail("no"))
accepts(untagged.pipe(Handler.onFailure(FailurePolicy.deadLetter)))
accepts(untagged.pipe(Handler.onFailure(FailurePolicy.retry(wait))))
// @ts-expect-error a text has no tag
untagged.pipe(Handler.onFailure(FailurePolicy.tags(answers)))

// A schedule that looks at the failure answers the failures that it knows.
declare const whileLimited: Schedule.Schedule<unknown, Cause.Cause<RateLimited>>
const limited = Handler.make(billing, () => Effect.fail(new RateLimited({ seconds: 1 })))
accepts(limited.pipe(Handler.onFailure(FailurePolicy.retry(whileLimited))))
accepts(limited.pipe(Handler.onFailure(FailurePolicy.tags({ RateLimited: FailurePolicy.retry(whileLimited) }))))
// @ts-expect-error the schedule does not know UnknownInvoice
failing.pipe(Handler.onFailure(FailurePolicy.retry(whileLimited)))

// A union of events narrows by the name of the type, in both directions.
Handler.make(billing, (event) => {
  if (event.eventType === "invoice.paid") {
    const cents: number = event.payload.cents
    // @ts-expect-error it is not a user
    const name = event.payload.name
    return Effect.succeed([cents, name])
  }
  const name: string = event.payload.name
  // @ts-expect-error it is not an invoice
  const cents = event.payload.cents
  return Effect.succeed([cents, name])
})
// @ts-expect-error before it is narrowed, it may be either
Handler.make(billing, (event) => Effect.succeed(event.payload.cents))
// @ts-expect-error no event of this subscription has that name
Handler.make(billing, (event) => Effect.succeed(event.eventType === "user.deleted"))

// With patterns alone, the payload is any JSON.
const anything = Subscription.make("audit", { patterns: ["#"] })
Handler.make(anything, (event) => Effect.succeed<Schema.Json | undefined>(event.payload["cents"]))
// @ts-expect-error it may be any JSON
Handler.make(anything, (event) => Effect.succeed<number>(event.payload["cents"]))

// An event has the payload that its schema describes.
InvoicePaid.event({ cents: 1 })
// @ts-expect-error cents are no text
InvoicePaid.event({ cents: "1" })
// @ts-expect-error there must be cents
InvoicePaid.event({})
// @ts-expect-error there is nothing but cents
InvoicePaid.event({ cents: 1, dollars: 1 })
// @ts-expect-error there are four priorities
InvoicePaid.event({ cents: 1 }, { priority: "urgent" })

// A subscription names its events or its patterns.
Subscription.make("q", { events: [InvoicePaid], patterns: ["invoice.#"] })
// @ts-expect-error neither
Subscription.make("q", {})
// @ts-expect-error no events
Subscription.make("q", { events: [] })

// The services that a handler requires are required to subscribe it.
const booking = Handler.make(billing, () => Effect.flatMap(Ledger, ({ enter }) => enter))
const subscribed = Effect.flatMap(EventBus.EventBus, (bus) => bus.subscribe(booking)).pipe(Effect.scoped)
Effect.runPromise(subscribed.pipe(Effect.provide([EventBus.layerMemory, ledger])))
// @ts-expect-error there is no Ledger
Effect.runPromise(subscribed.pipe(Effect.provide(EventBus.layerMemory)))

const provided = booking.pipe(Handler.provide(ledger))
Effect.runPromise(
  Effect.flatMap(EventBus.EventBus, (bus) => bus.run(provided)).pipe(Effect.provide(EventBus.layerMemory))
)
Layer.launch(EventBus.subscriber(provided).pipe(Layer.provide(EventBus.layerMemory))) satisfies Effect.Effect<
  never,
  unknown
>
// @ts-expect-error there is no Ledger
Layer.launch(EventBus.subscriber(booking).pipe(Layer.provide(EventBus.layerMemory))) satisfies Effect.Effect<
  never,
  unknown
>
