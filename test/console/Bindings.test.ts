import { Contract, type Management, ManagementError } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MemoryBroker, Subscription } from "effect-eventbus"
import * as Site from "./Site.ts"

type Bound = Management.Management["bindings"]

/** A management API that knows of bindings alone. */
const management = (bindings: Bound): Management.Management => ({
  bindings,
  boundByName: () => Effect.succeed([]),
  queues: Effect.succeed([]),
  limits: Effect.succeed([]),
  featureFlags: Effect.succeed([]),
  memory: Effect.succeed([])
})

const contractOf = (options: object = {}) =>
  Contract.fromExports(
    { subscription: Subscription.make("billing", { patterns: ["invoice.paid.*", "invoice.void.*"] }), ...options },
    { title: "shop", version: "1.0.0" }
  )

/** The bindings that the page of the queue is given. */
const bindingsOf = Effect.fnUntraced(function* (options: Parameters<typeof Site.make>[1]) {
  const site = yield* Site.make(MemoryBroker.layer(), options)
  const { body, status, text } = yield* site.get("/queues/billing")
  assert.strictEqual(status, 200, text)
  return body.bindings
})

const byKey = (all: ReadonlyArray<{ readonly key: string; readonly state: string }>) =>
  Object.fromEntries(all.map(({ key, state }) => [key, state]))

const bound: Bound = () =>
  Effect.succeed([
    { exchange: "events", key: "invoice.paid.*" },
    { exchange: "events.dlx", key: "billing" },
    { exchange: "events", key: "order.#" }
  ])

describe("The bindings of a queue", () => {
  it.live("are compared with the contract where the management API tells of them", () =>
    Effect.gen(function* () {
      const contract = yield* contractOf({ amqpOptions: { exchange: "events", deadLetterExchange: "events.dlx" } })
      const { all, failure, source } = yield* bindingsOf({ contract, management: management(bound) })
      assert.strictEqual(source, "management")
      assert.isNotOk(failure)
      assert.deepStrictEqual(byKey(all), {
        billing: "there",
        "invoice.paid.*": "there",
        "invoice.void.*": "missing",
        "order.#": "unwanted"
      })
    }).pipe(Effect.scoped)
  )

  it.live("are those of the contract without a management API, and nothing says that they are there", () =>
    Effect.gen(function* () {
      const contract = yield* contractOf()
      const { all, source } = yield* bindingsOf({ contract })
      assert.strictEqual(source, "contract")
      assert.deepStrictEqual(byKey(all), { billing: "unseen", "invoice.paid.*": "unseen", "invoice.void.*": "unseen" })
    }).pipe(Effect.scoped)
  )

  it.live("are those of the broker where no contract asks for any, or others declare the queue", () =>
    Effect.gen(function* () {
      const there = { billing: "there", "invoice.paid.*": "there", "order.#": "there" }
      assert.deepStrictEqual(byKey((yield* bindingsOf({ management: management(bound) })).all), there)
      const contract = yield* contractOf({ amqpOptions: { queues: { billing: { topology: "verify" } } } })
      assert.deepStrictEqual(byKey((yield* bindingsOf({ contract, management: management(bound) })).all), there)
    }).pipe(Effect.scoped)
  )

  it.live("say why the management API did not tell, beside what the contract asks for", () =>
    Effect.gen(function* () {
      const address = "127.0.0.1:15672"
      const refusing = management(() =>
        Effect.fail(new ManagementError.ManagementError({ reason: new ManagementError.NoAnswer({ address }) }))
      )
      const alone = yield* bindingsOf({ management: refusing })
      assert.deepStrictEqual(alone.all, [])
      assert.include(alone.failure, address)
      const { all, failure, source } = yield* bindingsOf({ contract: yield* contractOf(), management: refusing })
      assert.strictEqual(source, "contract")
      assert.include(failure, address)
      assert.deepStrictEqual(new Set(Object.values(byKey(all))), new Set(["unseen"]))
    }).pipe(Effect.scoped)
  )

  it.live("are absent where neither knows of them", () =>
    Effect.gen(function* () {
      assert.isNotOk(yield* bindingsOf({}))
    }).pipe(Effect.scoped)
  )
})
