import { AmqpBroker } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { connect } from "amqplib"
import { Effect, Layer, Redacted } from "effect"
import { EventBus, Subscription } from "effect-eventbus"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl") ?? ""

/** The queues of the shop, under names of their own, of which `billing` and `audit` exist. */
const withShop = async (use: (shop: string, module: ReadonlyArray<string>) => Promise<void>) => {
  const shop = Leftovers.unique("shop")
  const names = [`${shop}.billing`, `${shop}.audit`]
  const declare = Effect.forEach(names, (name) =>
    EventBus.EventBus.use((bus) => bus.declare(Subscription.make(name, { patterns: [name] })))
  )
  const layer = EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ url: Redacted.make(url) })))
  await Effect.runPromise(Effect.provide(declare, layer))
  try {
    await Fixture.withShop(shop, (module) => use(shop, module))
  } finally {
    await Leftovers.remove(url, { queues: names.flatMap((name) => [name, `dlq.${name}`]) })
  }
}

/** Puts messages into a queue. */
const fill = async (queue: string, count: number) => {
  const model = await connect(url)
  const channel = await model.createConfirmChannel()
  for (let n = 0; n < count; n++) channel.sendToQueue(queue, Buffer.from("{}"))
  await channel.waitForConfirms()
  await model.close()
}

const run = (...args: ReadonlyArray<string>) => Process.run(["queue", ...args], Process.at(url))

describe.skipIf(inject("rabbitUrl") === null)("queue", () => {
  it("list shows the queues of a module that exist, and marks events without a consumer", () =>
    withShop(async (shop, module) => {
      await fill(`${shop}.billing`, 2)
      await fill(`dlq.${shop}.billing`, 1)
      const json = await run("list", ...module, "--json")
      const counts = { consumers: 0, retries: 0 }
      assert.deepStrictEqual(Process.objectsOf(json.stdout), [
        { queue: `${shop}.audit`, messages: 0, dead_letters: 0, backlog: false, ...counts },
        { queue: `${shop}.billing`, messages: 2, dead_letters: 1, backlog: true, ...counts }
      ])
      const text = await run("list", ...module)
      assert.strictEqual(text.code, 0)
      const [header, audit, billing] = Process.linesOf(text.stdout)
      assert.match(header ?? "", /^QUEUE +MESSAGES +CONSUMERS +DEAD +RETRIES$/)
      assert.match(audit ?? "", /audit +0 +0 +0 +0$/)
      assert.match(billing ?? "", /billing +2 +0 +1 +0  no consumer$/)
      assert.strictEqual(text.stderr, "2 queues, 1 with events and no consumer\n")
    }))

  it("delete asks, refuses a queue in use, and leaves the dead letters", () =>
    withShop(async (shop) => {
      const remove = (...args: ReadonlyArray<string>) => run("delete", ...args)
      const billing = `${shop}.billing`
      await fill(billing, 2)
      Process.assertFailed(await remove(billing), 2, "use --yes")
      Process.assertFailed(await remove(billing, "--yes"), 1, "has 2 events and 0 consumers")
      const model = await connect(url)
      try {
        const channel = await model.createChannel()
        await channel.consume(`${shop}.audit`, () => {})
        Process.assertFailed(await remove(`${shop}.audit`, "--yes"), 1, "has 0 events and 1 consumer")
      } finally {
        await model.close()
      }
      const forced = await remove(billing, "--yes", "--force")
      assert.strictEqual(forced.code, 0, forced.stderr)
      assert.strictEqual(forced.stdout, `deleted  ${billing}  2 events\n`)
      assert.strictEqual(forced.stderr, `dlq.${billing} stays, with 0 dead letters\n`)
      const emptied = await remove(`dlq.${billing}`, "--yes", "--json")
      assert.deepStrictEqual(Process.objectsOf(emptied.stdout), [
        { queue: `dlq.${billing}`, deleted: true, messages: 0 }
      ])
      Process.assertFailed(await remove(billing, "--yes"), 1, `There is no queue "${billing}"`)
    }))
})

describe("queue list without a broker", () => {
  it("needs a module or the management API", async () => {
    Process.assertFailed(await Process.run(["queue", "list"]), 2, "Use --module, or set RABBITMQ_MANAGEMENT_URL")
  })
})
