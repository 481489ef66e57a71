/**
 * The demo of the console: a shop in memory after an incident, with 600 dead letters of
 * three kinds. One kind goes through when it is replayed, one must be edited before, and
 * one is to be discarded.
 *
 * @since 0.1.0
 */

import { Contract } from "@effect-eventbus/inspect"
import { Control, EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as ConsoleServer from "../ConsoleServer.ts"

const OrderPlaced = EventType.make("demo.order.placed", {
  payload: Schema.Struct({ order: Schema.String, items: Schema.Int })
})

const ChargeRequested = EventType.make("demo.charge.requested", {
  payload: Schema.Struct({ order: Schema.String, cents: Schema.Int, currency: Schema.String, card: Schema.String })
})

const ChargeSucceeded = EventType.make("demo.charge.succeeded", {
  payload: Schema.Struct({ order: Schema.String, cents: Schema.Int })
})

class GatewayDown extends Schema.TaggedError<GatewayDown>()("GatewayDown", {}) {
  override get message(): string {
    return "the payment gateway did not answer within 30 s"
  }
}

class UnknownCurrency extends Schema.TaggedError<UnknownCurrency>()("UnknownCurrency", { currency: Schema.String }) {
  override get message(): string {
    return `no such currency: "${this.currency}"; expected EUR, USD or GBP`
  }
}

class CardExpired extends Schema.TaggedError<CardExpired>()("CardExpired", { card: Schema.String }) {
  override get message(): string {
    return `the card ${this.card} has expired`
  }
}

const currencies = ["EUR", "USD", "GBP"]

const charges = Subscription.make("demo.charges", { events: [ChargeRequested], concurrency: 50 })
const shipping = Subscription.make("demo.shipping", { events: [ChargeSucceeded], concurrency: 10 })

/** Handles charges, while the gateway answers or does not. */
const charging = (isUp: boolean) =>
  Handler.make(
    charges,
    Effect.fnUntraced(function* ({ payload: { card, cents, currency, order } }) {
      if (!currencies.includes(currency)) return yield* new UnknownCurrency({ currency })
      if (card.endsWith("0000")) return yield* new CardExpired({ card })
      if (!isUp) return yield* new GatewayDown()
      const bus = yield* EventBus.EventBus
      yield* bus.publish(yield* ChargeSucceeded.event({ order, cents }))
    })
  ).pipe(Handler.onFailure(FailurePolicy.deadLetter))

const ship = Handler.make(shipping, () => Effect.sleep("20 millis"))

/** One of 15 orders has a wrong currency, and three of 15 an expired card. */
const chargeOf = (n: number) => ({
  order: `o-${1000 + n}`,
  cents: 990 + ((n * 137) % 9000),
  currency: n % 15 === 4 ? "EURO" : (currencies[n % 3] ?? "EUR"),
  card: `•••• ${n % 15 < 3 ? "0000" : String(4000 + ((n * 7) % 999))}`
})

const placeOrder = Effect.fnUntraced(function* (n: number) {
  const bus = yield* EventBus.EventBus
  const placed = yield* OrderPlaced.event(
    { order: `o-${1000 + n}`, items: 1 + (n % 4) },
    { sourceService: "web", traceId: crypto.randomUUID() }
  )
  yield* bus.publish(placed)
  yield* bus.publish(
    yield* ChargeRequested.event(chargeOf(n), {
      sourceService: "checkout",
      parentEventId: placed.eventId,
      ...(placed.traceId === undefined ? {} : { traceId: placed.traceId })
    })
  )
})

const count = 600

/** The hour in which the gateway did not answer. */
const incident = Effect.gen(function* () {
  const bus = yield* EventBus.EventBus
  yield* bus.subscribe(charging(false))
  yield* Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    placeOrder,
    { discard: true }
  )
  yield* bus.queueInfo("dlq.demo.charges").pipe(
    Effect.repeat({
      until: (info) => Option.exists(info, ({ messages }) => messages >= count),
      schedule: Schedule.spaced("20 millis")
    })
  )
}).pipe(Effect.scoped)

/** The shop works again: an order every two seconds. Some still have an expired card. */
const business = Effect.suspend(() => {
  let n = count
  return Effect.forever(
    Effect.delay(
      Effect.suspend(() => placeOrder(n++)),
      "2 seconds"
    )
  )
})

/** The shop says nothing: a line for each of its dead letters would hide the link. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/**
 * Serves the console of the shop until it is interrupted.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (place: ConsoleServer.Place) {
  const bus = yield* EventBus.EventBus
  yield* quietly(incident)
  yield* quietly(bus.subscribe(charging(true)))
  yield* quietly(bus.subscribe(ship))
  yield* Layer.build(Control.layer)
  yield* Effect.forkScoped(quietly(business))
  const contract = yield* Contract.fromExports(
    { OrderPlaced, charging: charging(true), ship },
    { title: "Demo shop", version: "1.0.0" }
  )
  return yield* ConsoleServer.serve(place, { contract })
}, Effect.scoped)
