/** An instance of a service that publishes or consumes invoices, with the code before or after a change of the event. */
import * as AmqpBroker from "@effect-eventbus/amqp/AmqpBroker"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as EventBus from "effect-eventbus/EventBus"
import * as EventType from "effect-eventbus/EventType"
import * as FailurePolicy from "effect-eventbus/FailurePolicy"
import * as Handler from "effect-eventbus/Handler"
import * as Subscription from "effect-eventbus/Subscription"
import * as Version from "effect-eventbus/Version"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

export type Code = "old" | "new"

export interface Parameters {
  readonly url: string
  readonly exchange: string
  readonly queue: string
  readonly role: "publisher" | "consumer"
  readonly code: Code
}

const { code, exchange, queue, role, url }: Parameters = JSON.parse(process.argv[2] ?? "")

const First = Schema.Struct({ id: Schema.String, euros: Schema.Finite })
const Old = EventType.make("invoice.paid", { payload: First })
const New = EventType.make("invoice.paid", {
  version: 2,
  payload: Schema.Struct({ invoiceId: Schema.String, cents: Schema.Int, currency: Schema.String }),
  from: {
    1: Version.step(First, ({ euros, id }) => ({ invoiceId: id, cents: Math.round(euros * 100), currency: "EUR" }))
  }
})

const say = (...words: ReadonlyArray<string | number>) => Effect.sync(() => console.log(words.join(" ")))

/** Fails the first attempt at every fifth event, so that some wait for a retry while the code changes. */
const handle = (n: number, attempt: number, id: string, cents: number) =>
  n % 5 === 0 && attempt === 1 ? Effect.fail("later") : say("handled", id, cents)

const again = Handler.onFailure(FailurePolicy.retry(Schedule.spaced("200 millis")))
const numberOf = (invoice: string) => Number(invoice.slice(2))

const oldHandler = Handler.make(Subscription.make(queue, { events: [Old] }), ({ eventId, payload }, { attempt }) =>
  handle(numberOf(payload.id), attempt, eventId, payload.euros * 100)
).pipe(again)

const newHandler = Handler.make(Subscription.make(queue, { events: [New] }), ({ eventId, payload }, { attempt }) =>
  handle(numberOf(payload.invoiceId), attempt, eventId, payload.cents)
).pipe(again)

const publish = Effect.fnUntraced(function* (n: number) {
  const bus = yield* EventBus.EventBus
  const event =
    code === "old"
      ? yield* Old.event({ id: `i-${n}`, euros: n })
      : yield* New.event({ invoiceId: `i-${n}`, cents: n * 100, currency: "EUR" })
  yield* bus.publish(event)
  yield* say("published", event.eventId, n * 100)
})

const publishes = Effect.suspend(() => {
  let n = 0
  return Effect.repeat(
    Effect.suspend(() => publish(n++)),
    Schedule.spaced("5 millis")
  )
})

const main = Effect.gen(function* () {
  const bus = yield* EventBus.EventBus
  if (role === "consumer") yield* code === "old" ? bus.subscribe(oldHandler) : bus.subscribe(newHandler)
  yield* say("ready")
  return yield* role === "consumer" ? Effect.never : publishes
})

const Bus = EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ url: Redacted.make(url), exchange })))
NodeRuntime.runMain(main.pipe(Effect.scoped, Effect.provide(Bus)))
