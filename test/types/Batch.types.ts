/**
 * Code that must compile, and code that must not. Nothing here runs: `npm run check` reads it, and an
 * `@ts-expect-error` above a line that compiles is an error.
 */
// @effect-diagnostics *:skip-file
import { Context, Effect, Result, Schema } from "effect"
import { Batch, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}
class Down extends Schema.TaggedError<Down>()("Down", {}) {}
class Index extends Context.Service<Index, { readonly add: Effect.Effect<void, Down> }>()("Index") {}

const Paid = EventType.make("paid", { payload: Schema.Struct({ n: Schema.Int }) })
const paid = Subscription.make("search", { events: [Paid] })
const options = { size: 10, within: "1 second" } as const

const complete = FailurePolicy.tags({ Refused: FailurePolicy.deadLetter, Down: FailurePolicy.retryUpToMax })
const forgetful = FailurePolicy.tags({ Down: FailurePolicy.retryUpToMax })

const both = Batch.make(paid, options, (events) =>
  Effect.gen(function* () {
    const index = yield* Index
    yield* index.add
    return events.map(({ payload }) => (payload.n < 0 ? Result.fail(new Refused()) : Result.void))
  })
)
const answered: Handler.Handler<EventType.EventOf<typeof Paid>, never, Index> = Handler.onFailure(both, complete)
void answered
// @ts-expect-error no policy answers Refused, which only a result has
both.pipe(Handler.onFailure(forgetful))

const none = Batch.make(paid, options, () => Effect.void)
// @ts-expect-error no error has the tags
none.pipe(Handler.onFailure(complete))

Batch.make(paid, { ...options, by: ({ payload }) => String(payload.n) }, () => Effect.void)
// @ts-expect-error a group is a string
Batch.make(paid, { ...options, by: ({ payload }) => payload.n }, () => Effect.void)
// @ts-expect-error rows are no results
Batch.make(paid, options, (events) => Effect.succeed(events.map(({ payload }) => payload.n)))
// @ts-expect-error a batch has a longest wait
Batch.make(paid, { size: 10 }, () => Effect.void)
