import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Contract } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { EventType, Handler, Subscription } from "effect-eventbus"

const info: Contract.Info = { title: "shop", version: "1.2.3" }

const Paid = EventType.untyped("paid")
const Lost = EventType.untyped("lost")
const billing = Subscription.make("billing", { events: [Paid] })
const handler = Handler.make(billing, () => Effect.void)

const fixture = (name: string) => join(import.meta.dirname, "../cli/fixtures", `${name}.ts`)

const reasonOf = <A, R>(effect: Effect.Effect<A, { readonly reason: { readonly _tag: string } }, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

describe("Contract.fromExports", () => {
  it.effect("takes the subscription of a handler, and the event types of a subscription, once each", () =>
    Effect.gen(function* () {
      const contract = yield* Contract.fromExports({ handler, billing, again: [handler, Paid], Lost }, info)
      assert.deepStrictEqual(contract.handlers, [handler])
      assert.deepStrictEqual(contract.subscriptions, [billing])
      assert.sameMembers([...contract.eventTypes], [Paid, Lost])
      assert.deepStrictEqual(contract.info, info)
    })
  )

  it.effect("ignores other exports, and takes amqpOptions", () =>
    Effect.gen(function* () {
      const contract = yield* Contract.fromExports({ billing, other: 1, amqpOptions: { exchange: "shop" } }, info)
      assert.deepStrictEqual(contract.options, { exchange: "shop" })
    })
  )

  it.effect("fails where nothing is exported, and where amqpOptions are invalid", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reasonOf(Contract.fromExports({ other: 1 }, info)), "NothingExported")
      const options = { billing, amqpOptions: { queueType: "stream" } }
      const error = yield* Effect.flip(Contract.fromExports(options, info, "./shop.ts"))
      assert.strictEqual(error.reason._tag, "InvalidOptions")
      assert.include(error.message, 'The amqpOptions of "./shop.ts" are invalid: ')
      assert.include(error.message, "queueType")
    })
  )
})

describe("Contract.load", () => {
  it.effect("fails where the module does not exist, does not load, or exports nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reasonOf(Contract.load("./no-such.ts")), "ModuleNotFound")
      assert.strictEqual(yield* reasonOf(Contract.load(fixture("broken"))), "ModuleNotLoaded")
      assert.strictEqual(yield* reasonOf(Contract.load(fixture("empty"))), "NothingExported")
    })
  )

  it.effect("takes title and version of the nearest package.json, and ignores an invalid one", () =>
    Effect.acquireUseRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "eventbus-test-"))),
      (folder) =>
        Effect.gen(function* () {
          const write = (name: string, text: string) => Effect.promise(() => writeFile(join(folder, name), text))
          const module = `export * from ${JSON.stringify(fixture("shop"))}`
          yield* write("one.mjs", module)
          yield* write("package.json", JSON.stringify({ name: "bookshop", version: "2.0.0" }))
          const { info } = yield* Contract.load(join(folder, "one.mjs"))
          assert.deepInclude(info, { title: "bookshop", version: "2.0.0" })
          yield* write("package.json", "{")
          assert.deepInclude((yield* Contract.load(join(folder, "one.mjs"))).info, { title: "one", version: "0.0.0" })
        }),
      (folder) => Effect.promise(() => rm(folder, { recursive: true }))
    )
  )
})
