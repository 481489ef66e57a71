/**
 * Code that must compile, and code that must not. Nothing here runs: `npm run check` reads it, and an
 * `@ts-expect-error` above a line that compiles is an error.
 */
// @effect-diagnostics *:skip-file
import { Inbox } from "@effect-eventbus/sql"
import { Effect, Schema } from "effect"
import { EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const Paid = EventType.make("paid", { payload: Schema.Struct({ n: Schema.Int }) })
const handler = Handler.make(Subscription.make("billing", { events: [Paid] }), () => Effect.fail(new Refused()))
const once = handler.pipe(Inbox.once({ keep: "7 days" }))

const complete = FailurePolicy.tags({ Refused: FailurePolicy.deadLetter, SqlError: FailurePolicy.deadLetter })
const forgetful = FailurePolicy.tags({ Refused: FailurePolicy.deadLetter })

once.pipe(Handler.onFailure(complete))
// @ts-expect-error no policy answers SqlError
once.pipe(Handler.onFailure(forgetful))
// @ts-expect-error no error has the tag SqlError
handler.pipe(Handler.onFailure(complete))
