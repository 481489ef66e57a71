import { AmqpLadder, AmqpOptions } from "@effect-eventbus/amqp"
import { assert, describe, inject, it } from "@effect/vitest"
import { connect } from "amqplib"
import * as Leftovers from "../support/Leftovers.ts"
import * as Fixture from "./fixtures/Fixture.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl") ?? ""

/** A shop of its own on the broker, which is gone in the end. */
const withShop = async (
  f: (shop: {
    readonly name: string
    readonly module: ReadonlyArray<string>
    readonly run: (...args: ReadonlyArray<string>) => Promise<Process.Ended>
  }) => Promise<void>
) => {
  const name = Leftovers.unique("shop")
  const env = { ...Process.at(url), RABBITMQ_EXCHANGE: name }
  const queues = ["billing", "audit", "pager", "reminders"].flatMap((queue) => [
    `${name}.${queue}`,
    `dlq.${name}.${queue}`
  ])
  try {
    await Fixture.withShop(name, (module) =>
      f({ name, module, run: (...args) => Process.run([...args, ...module], env) })
    )
  } finally {
    await Leftovers.remove(url, { queues, exchanges: [name, `${name}_dlx`] })
  }
}

const declare = async (queue: string, args: Readonly<Record<string, unknown>>) => {
  const model = await connect(url)
  await (await model.createChannel()).assertQueue(queue, { arguments: args })
  await model.close()
}

const statesOf = ({ stdout }: Process.Ended) => new Set(Process.objectsOf(stdout).map(({ state }) => state))

describe.skipIf(inject("rabbitUrl") === null).concurrent("Topology on RabbitMQ", { timeout: 300_000 }, () => {
  it("plan changes nothing, apply makes what is missing, and verify says whether it is so", () =>
    withShop(async ({ name, run }) => {
      const planned = await run("topology", "plan", "--json")
      assert.strictEqual(planned.code, 0)
      assert.deepStrictEqual([...statesOf(planned)], ["missing"])
      const items = Process.objectsOf(planned.stdout)
      assert.deepInclude(items, { kind: "exchange", name, type: "topic", ours: true, state: "missing" })
      assert.sameMembers(
        items.filter(({ kind }) => kind === "queue").map(({ name }) => name),
        ["dlq.{}.billing", "{}.billing", "{}.reminders", "{}.audit", "dlq.{}.pager", "{}.pager"].map((queue) =>
          queue.replace("{}", name)
        )
      )
      const pager = items.find((item) => item["name"] === `${name}.pager`)
      assert.deepInclude(pager?.["arguments"], { "x-queue-type": "classic" })
      assert.match(planned.stderr, /^Nothing was changed\. apply would create \d+ of these\.\n$/)

      const missing = await run("topology", "verify")
      assert.strictEqual(missing.code, 1)
      assert.match(missing.stderr, /eventbus: The broker does not match the module: \d+ missing\n$/)

      const applied = await run("topology", "apply", "--json")
      assert.strictEqual(applied.code, 0, applied.stderr)
      assert.deepStrictEqual([...statesOf(applied)], ["made"])
      assert.deepStrictEqual([...statesOf(await run("topology", "apply", "--json"))], ["there", "bound"])

      const verified = await run("topology", "verify")
      assert.strictEqual(verified.code, 0, verified.stderr)
      assert.match(verified.stdout, new RegExp(`^there +queue +${name}\\.billing$`, "m"))
      assert.match(
        verified.stdout,
        new RegExp(`^unseen +binding +${name}\\.billing to ${name} by invoice\\.\\*\\.\\*$`, "m")
      )
      assert.strictEqual(verified.stderr, "RabbitMQ does not report bindings over AMQP: set RABBITMQ_MANAGEMENT_URL.\n")
    }))

  it("what differs is named argument by argument, and apply makes nothing at all then", () =>
    withShop(async ({ name, run }) => {
      await declare(`${name}.billing`, { "x-queue-type": "classic", "x-message-ttl": 1000 })
      const planned = await run("topology", "plan")
      assert.strictEqual(planned.code, 0)
      assert.match(planned.stdout, new RegExp(`^differs +queue +${name}\\.billing$`, "m"))
      assert.match(planned.stdout, /^ +x-message-ttl is 1000, not 3600000$/m)
      assert.match(planned.stdout, /^ +x-queue-type is classic, not quorum$/m)
      assert.include(planned.stderr, "apply would refuse")

      const applied = await run("topology", "apply", "--json")
      assert.strictEqual(applied.code, 1)
      assert.strictEqual(
        applied.stderr,
        "eventbus: Nothing was created, because existing items do not match: 1 different\n"
      )
      const [billing] = Process.objectsOf(applied.stdout)
      assert.deepInclude(billing?.["differences"], { argument: "x-message-ttl", current: 1000, wanted: 3_600_000 })

      const verified = await run("topology", "verify", "--json")
      assert.strictEqual(verified.code, 1)
      const states = Process.objectsOf(verified.stdout).map(({ state }) => state)
      assert.deepStrictEqual([...new Set(states)].toSorted(), ["differs", "missing"])
      await declare(`${name}.billing`, { "x-queue-type": "classic", "x-message-ttl": 1000 })
    }))

  it("plan shows the queues of delays once there are any, and apply leaves them alone", () =>
    withShop(async ({ name, run }) => {
      const settings = AmqpOptions.settings({ exchange: name })
      const delays = AmqpLadder.names(settings, 300)
      try {
        await run("topology", "apply")
        const queues = async () =>
          Process.objectsOf((await run("topology", "plan", "--json")).stdout)
            .filter((item) => String(item["name"]).startsWith(`${name}_delay`))
            .map((item) => [item["name"], item["state"]])
        assert.deepStrictEqual(await queues(), [])
        const env = { ...Process.at(url), RABBITMQ_EXCHANGE: name }
        const published = await Process.run(["publish", "invoice.lost", "--delay", "300ms"], env)
        assert.strictEqual(published.code, 0, published.stderr)
        assert.deepStrictEqual(await queues(), [
          [`${name}_delay.128`, "there"],
          [`${name}_delay.256`, "there"]
        ])
        await Leftovers.remove(url, { queues: [`${name}_delay.128`], exchanges: [] })
        const planned = await run("topology", "plan")
        assert.match(planned.stdout, new RegExp(`^missing +queue +${name}_delay\\.128$`, "m"))
        assert.include(planned.stderr, "The next delayed event declares the queue that is missing for delays.")
        assert.include(planned.stderr, "apply would create nothing.")
        assert.strictEqual((await run("topology", "verify")).code, 0)
      } finally {
        await Leftovers.remove(url, delays)
      }
    }))

  it("what is bound can be said only by the management API, and a password stays a secret when that fails", () =>
    withShop(async ({ module, run }) => {
      await run("topology", "apply")
      const env = { ...Process.at(url), RABBITMQ_MANAGEMENT_URL: `http://me:${Process.password}@127.0.0.1:1` }
      const ended = await Process.run(["topology", "verify", ...module], env)
      Process.assertFailed(ended, 1, "The management API at 127.0.0.1:1 does not answer")
      assert.notInclude(ended.stderr, Process.password)
    }))
})
