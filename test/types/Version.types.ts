/**
 * Code that must compile, and code that must not. Nothing here runs: `npm run check` reads it, and an
 * `@ts-expect-error` above a line that compiles is an error.
 */
// @effect-diagnostics *:skip-file
import { Effect, flow, Schema } from "effect"
import { EventType, Handler, Subscription, Version } from "effect-eventbus"

const First = Schema.Struct({ euros: Schema.Finite })
const Second = Schema.Struct({ cents: Schema.Int })
const Third = Schema.Struct({ cents: Schema.Int, currency: Schema.String })
const toSecond = ({ euros }: typeof First.Type): typeof Second.Type => ({ cents: euros * 100 })
const toThird = ({ cents }: typeof Second.Type): typeof Third.Type => ({ cents, currency: "EUR" })

// Steps lead to the newest payload, and functions compose.
const BillPaid = EventType.make("bill.paid", {
  version: 3,
  payload: Third,
  from: { 1: Version.step(First, flow(toSecond, toThird)), 2: Version.step(Second, toThird) }
})

// Handlers see the newest payload only.
Handler.make(Subscription.make("billing", { events: [BillPaid] }), ({ payload }) => Effect.log(payload.currency))
// @ts-expect-error: the payload of an older version
Handler.make(Subscription.make("billing", { events: [BillPaid] }), ({ payload }) => Effect.log(payload.euros))

EventType.make("bill.paid", {
  version: 3,
  payload: Third,
  // @ts-expect-error: the step makes the payload of version 2
  from: { 2: Version.step(First, toSecond) }
})

// @ts-expect-error: the function takes what the schema does not decode
Version.step(First, toThird)

// @ts-expect-error: no such acceptance
EventType.make("bill.paid", { payload: Third, accept: "older" })
