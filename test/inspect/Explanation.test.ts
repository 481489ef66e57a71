import { AmqpOptions } from "@effect-eventbus/amqp"
import { Contract, Explanation } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Schema } from "effect"
import { Batch, EventType, FailurePolicy, Handler, Request, Subscription, Version } from "effect-eventbus"
import * as Shop from "../cli/fixtures/shop.ts"

const explained = Effect.fnUntraced(function* (key: string) {
  const contract = yield* Contract.fromExports(Shop, { title: "shop", version: "1.0.0" })
  const all = yield* Explanation.make(key, contract, AmqpOptions.settings(contract.options))
  return { queues: all.map(({ queue }) => queue), of: (queue: string) => all.find((each) => each.queue === queue) }
})

describe("Explanation", () => {
  it.effect("lists the queues that receive an event, with the patterns that match", () =>
    Effect.gen(function* () {
      const { of, queues } = yield* explained("invoice.paid.critical")
      assert.sameMembers(queues, ["shop.billing", "shop.audit", "shop.pager", "shop.screen"])
      assert.deepStrictEqual(of("shop.billing")?.patterns, ["invoice.*.*"])
      assert.deepStrictEqual(of("shop.pager")?.patterns, ["*.*.critical"])
      assert.deepStrictEqual((yield* explained("invoice.lost.low")).queues, [
        "shop.billing",
        "shop.reminders",
        "shop.audit",
        "shop.screen"
      ])
    })
  )

  it.effect("names the steps that wrap a handler", () =>
    Effect.gen(function* () {
      const wrapped = Handler.around(Shop.billing, (handle) => handle, { name: "tenant" })
      const contract = yield* Contract.fromExports({ wrapped }, { title: "shop", version: "1.0.0" })
      const [first] = yield* Explanation.make("invoice.paid.low", contract, AmqpOptions.settings(contract.options))
      assert.deepStrictEqual(first?.around, ["tenant"])
      assert.deepStrictEqual((yield* explained("invoice.paid.low")).of("shop.billing")?.around, [])
    })
  )

  it.effect("tells the limits of a batch", () =>
    Effect.gen(function* () {
      const subscription = Subscription.make("bulk", { patterns: ["invoice.#"] })
      const bulk = Batch.make(subscription, { size: 200, within: "250 millis" }, () => Effect.void)
      const contract = yield* Contract.fromExports({ bulk }, { title: "shop", version: "1.0.0" })
      const [first] = yield* Explanation.make("invoice.paid.low", contract, AmqpOptions.settings(contract.options))
      assert.deepStrictEqual(first?.batch, { size: 200, within: 250 })
      assert.strictEqual((yield* explained("invoice.paid.low")).of("shop.billing")?.batch, undefined)
    })
  )

  it.effect("tells a limit to a duration, which includes the time of handlers, from one to a number", () =>
    Effect.gen(function* () {
      const spaced = Schedule.spaced("10 seconds")
      const outcomeOf = Effect.fnUntraced(function* (schedule: Schedule.Schedule<unknown>) {
        const handler = Handler.make(Subscription.make("work", { patterns: ["ping.#"] }), () => Effect.fail("no"))
        const work = Handler.onFailure(handler, FailurePolicy.retry(schedule))
        const contract = yield* Contract.fromExports({ work }, { title: "work", version: "1.0.0" })
        const [first] = yield* Explanation.make("ping.low", contract, AmqpOptions.settings({}))
        const { delays, isUpToTime } = first?.outcomes?.[0] ?? {}
        return [delays?.length, isUpToTime, first?.deliveryLimit]
      })
      const { deliveryLimit } = AmqpOptions.settings({})
      const byTime = spaced.pipe(Schedule.upTo({ duration: "55 seconds" }))
      assert.deepStrictEqual(yield* outcomeOf(byTime), [6, true, deliveryLimit])
      assert.deepStrictEqual(yield* outcomeOf(spaced.pipe(Schedule.upTo({ times: 6 }))), [6, false, deliveryLimit])
      assert.deepStrictEqual(yield* outcomeOf(spaced), [100, false, deliveryLimit])
    })
  )

  it.effect("gives the outcome of each error that the policy distinguishes, attempt by attempt", () =>
    Effect.gen(function* () {
      const outcomes = (yield* explained("invoice.paid.low")).of("shop.billing")?.outcomes
      const once = {
        delays: [],
        pauses: [],
        isEndless: false,
        isUpToEvent: false,
        isUpToTime: false,
        end: "dead-lettered"
      } as const
      const expected: ReadonlyArray<Explanation.Outcome> = [
        {
          failure: "RateLimited",
          pauses: [],
          delays: [
            [800, 1200],
            [1600, 2400],
            [3200, 4800],
            [6400, 9600],
            [12_800, 19_200]
          ],
          isEndless: false,
          isUpToEvent: false,
          isUpToTime: false,
          end: "dead-lettered"
        },
        { failure: "UnknownInvoice", ...once },
        {
          failure: "TimeoutError",
          pauses: [],
          delays: Array.from({ length: 100 }, () => [60_000, 60_000] as const),
          isEndless: true,
          isUpToEvent: false,
          isUpToTime: false,
          end: "dead-lettered"
        },
        { failure: "a defect", ...once },
        {
          failure: "any other error",
          pauses: [],
          delays: [
            [800, 1200],
            [1600, 2400],
            [3200, 4800]
          ],
          isEndless: false,
          isUpToEvent: true,
          isUpToTime: false,
          end: "dead-lettered"
        }
      ]
      assert.deepStrictEqual(outcomes, expected)
    })
  )

  it.effect("follows the pauses of a subscription, to their end if they have one", () =>
    Effect.gen(function* () {
      const pausing = (schedule: Schedule.Schedule<unknown>) =>
        Handler.make(Subscription.make("shop.pausing", { patterns: ["#"], prefetch: 50, concurrency: 1 }), () =>
          Effect.fail("no")
        ).pipe(Handler.onFailure(FailurePolicy.pause(schedule)))
      const outcomeOf = Effect.fnUntraced(function* (handler: Handler.Any) {
        const contract = yield* Contract.fromExports({ handler }, { title: "shop", version: "1.0.0" })
        const [first] = yield* Explanation.make("a.b.c", contract, AmqpOptions.settings(contract.options))
        assert.strictEqual(first?.prefetch, 50)
        return first?.outcomes?.[0]
      })
      const endless = yield* outcomeOf(
        pausing(Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]))
      )
      assert.deepStrictEqual(
        endless?.pauses.slice(0, 6).map(([least]) => least),
        [1000, 2000, 4000, 8000, 16_000, 30_000]
      )
      assert.deepInclude(endless, { isEndless: true, end: "paused", delays: [] })
      const ending = yield* outcomeOf(pausing(Schedule.spaced("5 seconds").pipe(Schedule.upTo({ times: 2 }))))
      assert.deepInclude(ending, { isEndless: false, end: "dead-lettered", delays: [] })
      assert.lengthOf(ending?.pauses ?? [], 2)
    })
  )

  it.effect("names the queues in which events wait, and where they end", () =>
    Effect.gen(function* () {
      const billing = (yield* explained("invoice.paid.critical")).of("shop.billing")
      const tiers = [1000, 1500, 2000, 3000, 4000, 5000, 7000, 8000, 10_000, 15_000, 20_000, 60_000]
      assert.deepStrictEqual(
        billing?.waitQueues,
        tiers.map((tier) => `wait.shop.billing.${tier}.quorum.agent_events_dlx`)
      )
      assert.deepInclude(billing, {
        concurrency: 8,
        prefetch: undefined,
        timeout: 30_000,
        messageTtl: 3_600_000,
        deadLetterQueue: "dlq.shop.billing"
      })
    })
  )

  it.effect("explains a handler without a policy, and a queue without dead letters", () =>
    Effect.gen(function* () {
      const { of } = yield* explained("invoice.lost.low")
      const reminders = of("shop.reminders")
      assert.isUndefined(reminders?.deadLetterQueue)
      const [outcome] = reminders?.outcomes ?? []
      assert.deepInclude(outcome, { failure: "any failure", end: "discarded" })
      assert.lengthOf(outcome?.delays ?? [], 3)
    })
  )

  it.effect("expects no retries of an at-most-once delivery, which is acknowledged before it is handled", () =>
    Effect.gen(function* () {
      const audit = (yield* explained("invoice.lost.low")).of("shop.audit")
      assert.isTrue(audit?.atMostOnce)
      assert.deepStrictEqual(audit?.outcomes?.[0]?.delays, [])
    })
  )

  it.effect("leaves the outcomes open where the contract has no handler", () =>
    Effect.gen(function* () {
      const pager = (yield* explained("invoice.paid.critical")).of("shop.pager")
      assert.isDefined(pager)
      assert.isUndefined(pager.outcomes)
    })
  )

  it.effect("recognizes an event type that the handler does not know", () =>
    Effect.gen(function* () {
      assert.isFalse((yield* explained("invoice.lost.low")).of("shop.billing")?.isKnownType)
      assert.isTrue((yield* explained("invoice.paid.low")).of("shop.billing")?.isKnownType)
    })
  )

  it.effect("tells how long an ordered event is retried in its place, which takes no queue for waits", () =>
    Effect.gen(function* () {
      const explain = Effect.fnUntraced(function* (holdFor: "30 seconds" | "5 seconds") {
        const patterns = ["ping.#"]
        const subscription = Subscription.make("stock", { patterns, orderedBy: ({ eventId }) => eventId, holdFor })
        const work = Handler.make(subscription, () => Effect.fail("no"))
        const contract = yield* Contract.fromExports({ work }, { title: "work", version: "1.0.0" })
        const [first] = yield* Explanation.make("ping.low", contract, AmqpOptions.settings({}))
        const { delays, end } = first?.outcomes?.[0] ?? {}
        return { ...first, retries: delays?.length, end }
      })
      assert.deepInclude(yield* explain("30 seconds"), {
        ordering: { holdFor: 30_000 },
        retries: 3,
        end: "dead-lettered",
        waitQueues: [],
        deliveryLimit: undefined
      })
      // The third retry would come too late.
      assert.deepInclude(yield* explain("5 seconds"), { ordering: { holdFor: 5000 }, retries: 2, end: "dead-lettered" })
      assert.isUndefined((yield* explained("invoice.paid.low")).of("shop.billing")?.ordering)
    })
  )

  it.effect("tells the versions that a handler reads", () =>
    Effect.gen(function* () {
      const old = Schema.Struct({ id: Schema.String })
      const Placed = EventType.make("order.placed", {
        version: 2,
        payload: Schema.Struct({ orderId: Schema.String }),
        from: { 1: Version.step(old, ({ id }) => ({ orderId: id })) },
        accept: "newer"
      })
      const billing = Subscription.make("billing", { events: [Placed] })
      const audit = Subscription.make("audit", { patterns: ["#"] })
      const contract = yield* Contract.fromExports({ billing, audit }, { title: "shop", version: "1.0.0" })
      const all = yield* Explanation.make("order.placed.low", contract, AmqpOptions.settings({}))
      assert.deepStrictEqual(
        all.map(({ queue, versions }) => [queue, versions]),
        [
          ["billing", { newest: 2, steps: [1], acceptsNewer: true }],
          ["audit", undefined]
        ]
      )
    })
  )

  it.effect("is empty where no queue receives the event", () =>
    Effect.gen(function* () {
      const contract = yield* Contract.fromExports(
        { paid: Shop.InvoicePaid, billing: Shop.billing },
        { title: "shop", version: "1.0.0" }
      )
      assert.deepStrictEqual(yield* Explanation.make("a.b.c", contract, AmqpOptions.settings({})), [])
    })
  )

  it.effect("names the request that a handler replies to", () =>
    Effect.gen(function* () {
      const Charge = Request.make("card.charge", { payload: Schema.Struct({ cents: Schema.Int }) })
      const cards = Request.handle(Subscription.make("cards", { events: [Charge] }), Charge, () => Effect.void)
      const contract = yield* Contract.fromExports({ cards }, { title: "shop", version: "1.0.0" })
      const [explanation] = yield* Explanation.make("card.charge.high", contract, AmqpOptions.settings({}))
      assert.strictEqual(explanation?.request, "card.charge")
      assert.strictEqual(explanation?.outcomes?.[0]?.end, "dead-lettered")
    })
  )
})
