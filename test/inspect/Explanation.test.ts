import { AmqpOptions } from "@effect-eventbus/amqp"
import { Contract, Explanation } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Handler } from "effect-eventbus"
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

  it.effect("gives the outcome of each error that the policy distinguishes, attempt by attempt", () =>
    Effect.gen(function* () {
      const outcomes = (yield* explained("invoice.paid.low")).of("shop.billing")?.outcomes
      const once = { delays: [], isEndless: false, isUpToEvent: false, end: "dead-lettered" } as const
      const expected: ReadonlyArray<Explanation.Outcome> = [
        {
          failure: "RateLimited",
          delays: [
            [800, 1200],
            [1600, 2400],
            [3200, 4800],
            [6400, 9600],
            [12_800, 19_200]
          ],
          isEndless: false,
          isUpToEvent: false,
          end: "dead-lettered"
        },
        { failure: "UnknownInvoice", ...once },
        {
          failure: "TimeoutError",
          delays: Array.from({ length: 100 }, () => [60_000, 60_000] as const),
          isEndless: true,
          isUpToEvent: false,
          end: "dead-lettered"
        },
        { failure: "a defect", ...once },
        {
          failure: "any other error",
          delays: [
            [800, 1200],
            [1600, 2400],
            [3200, 4800]
          ],
          isEndless: false,
          isUpToEvent: true,
          end: "dead-lettered"
        }
      ]
      assert.deepStrictEqual(outcomes, expected)
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

  it.effect("is empty where no queue receives the event", () =>
    Effect.gen(function* () {
      const contract = yield* Contract.fromExports(
        { paid: Shop.InvoicePaid, billing: Shop.billing },
        { title: "shop", version: "1.0.0" }
      )
      assert.deepStrictEqual(yield* Explanation.make("a.b.c", contract, AmqpOptions.settings({})), [])
    })
  )
})
