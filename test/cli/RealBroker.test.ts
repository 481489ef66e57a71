import { AmqpBroker } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { connect } from "amqplib"
import { Effect, Layer, Redacted } from "effect"
import { EventBus, Handler, Subscription } from "effect-eventbus"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl") ?? ""
const env = Process.at(url)

/** Declares a queue that is bound to its own name, and leaves it behind. */
const declare = (queue: string) =>
  Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    yield* bus.subscribe(Handler.make(Subscription.make(queue, { patterns: [queue] }), () => Effect.void))
  }).pipe(
    Effect.scoped,
    Effect.provide(EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ url: Redacted.make(url) })))),
    Effect.runPromise
  )

/** Publishes what no bus would. */
const publishRaw = async (key: string, body: string) => {
  const model = await connect(url)
  const channel = await model.createConfirmChannel()
  channel.publish("agent_events", key, Buffer.from(body))
  await channel.waitForConfirms()
  await model.close()
}

const listening = async (args: ReadonlyArray<string>): Promise<Process.Running> => {
  const tail = Process.start(["tail", ...args], env)
  await tail.remark("Listening")
  return tail
}

const publish = (...args: ReadonlyArray<string>) => Process.run(["publish", ...args], env)

describe.skipIf(inject("rabbitUrl") === null).concurrent("On RabbitMQ", () => {
  it("tail shows what publish publishes, to each who looks", async () => {
    const key = Leftovers.unique("seen")
    const tails = await Promise.all([listening([key, "--json", "--count", "2"]), listening([key, "--count", "2"])])
    const payload = { task_id: "t-1", title: "\u001b[31mred\n漢字" }
    const traceId = "1f0b5c1e-0000-4000-8000-00000000000b"
    const flags = ["--agent", "agent-1", "--priority", "high", "--trace-id", traceId, "--count", "2", "--json"]
    const what = ["task.submitted", "--payload", JSON.stringify(payload), "--routing-key", key]
    const published = await publish(...what, ...flags)
    const [json, text] = await Promise.all(tails.map(({ ended }) => ended))

    assert.strictEqual(published.code, 0)
    const events = Process.objectsOf(json?.stdout ?? "")
    assert.sameMembers(
      events.map(({ event_id }) => event_id),
      Process.objectsOf(published.stdout).map(({ event_id }) => event_id)
    )
    for (const event of events) {
      assert.deepInclude(event, {
        routing_key: key,
        event_type: "task.submitted",
        source_agent_id: "agent-1",
        trace_id: traceId,
        priority: "high",
        payload
      })
    }
    assert.strictEqual(json?.code, 0)
    assert.strictEqual(text?.code, 0)
    assert.strictEqual(Process.linesOf(text?.stdout ?? "").length, 2)
    assert.include(text?.stdout ?? "", "task.submitted")
    assert.notInclude(text?.stdout ?? "", "\u001b")
  })

  it("tail says how to listen for the events of a type", async () => {
    const key = Process.start(["tail", "order.placed"], env)
    await key.remark('"order.placed" is a whole key. For the events of a type, use "order.placed.*"')
    key.interrupt()
    const types = await listening(["order.placed.*", "order.placed.high", "order.#", "*.placed"])
    types.interrupt()
    const [, { code, stderr }] = await Promise.all([key.ended, types.ended])
    assert.deepStrictEqual([code, stderr.includes("whole key")], [0, false])
  })

  it("publish has an event delivered after a delay", async () => {
    const key = Leftovers.unique("later")
    const tail = await listening([key, "--count", "1", "--json"])
    const since = Date.now()
    const published = await publish("order.created", "--routing-key", key, "--delay", "1s", "--json")
    const { stdout } = await tail.ended
    assert.isAtLeast(Date.now() - since, 1000)
    assert.deepStrictEqual(
      Process.objectsOf(stdout).map(({ event_id }) => event_id),
      Process.objectsOf(published.stdout).map(({ event_id }) => event_id)
    )
  })

  it("publish sends a number with every digit, and tail shows it so", async () => {
    const key = Leftovers.unique("digits")
    const tails = await Promise.all([listening([key, "--json", "--count", "2"]), listening([key, "--count", "2"])])
    const number = '{"order_id":9007199254740993,"price":1.10}'
    const unchecked = await publish("order.created", "--payload", number, "--routing-key", key)
    assert.strictEqual(unchecked.code, 0, unchecked.stderr)
    const checked = `{"task_id":"t-1",${number.slice(1)}`
    assert.strictEqual((await publish("task.submitted", "--payload", checked, "--routing-key", key)).code, 0)
    for (const { stdout } of await Promise.all(tails.map(({ ended }) => ended))) {
      const [first = "", second = ""] = Process.linesOf(stdout)
      assert.include(first, number)
      assert.include(second, checked)
    }
  })

  it("tail shows a body that is no event, and why", async () => {
    const key = Leftovers.unique("poison")
    const tail = await listening([key, "--json", "--count", "1"])
    const text = await listening([key, "--count", "1"])
    await publishRaw(key, "{nonsense")
    assert.deepInclude(Process.objectsOf((await tail.ended).stdout)[0], { routing_key: key, error: "InvalidJson" })
    assert.include((await text.ended).stdout, `not an event  ${key}  InvalidJson`)
  })

  it("an interruption is a good end for tail, and takes its queue along", async () => {
    const key = Leftovers.unique("gone")
    const tail = await listening([key])
    const heard = await publish("some.event", "--routing-key", key)
    assert.match(heard.stdout, /^published /)
    tail.interrupt()
    assert.strictEqual((await tail.ended).code, 0)
    const unrouted = await publish("some.event", "--routing-key", key)
    assert.strictEqual(unrouted.code, 0)
    assert.strictEqual(unrouted.stdout, `not routed  ${key}  no queue is bound to it: 1 event dropped\n`)
  })

  it("tail ends quietly when the reader of its output is gone", async () => {
    const key = `${Leftovers.unique("unseen")}.normal`
    const tail = await listening([key])
    tail.lookAway()
    await publish("some.event", "--routing-key", key)
    const { code, stderr } = await tail.ended
    assert.strictEqual(code, 0)
    assert.strictEqual(Process.linesOf(stderr).length, 1)
  })

  it("queue tells how many wait, and purges them", async () => {
    const queue = Leftovers.unique("work")
    await declare(queue)
    try {
      await publish("some.event", "--routing-key", queue, "--count", "3")
      const info = await Process.run(["queue", "info", queue, "--json"], env)
      const expected = { queue, messages: 3, consumers: 0, dead_letters: 0 }
      assert.deepStrictEqual(Process.objectsOf(info.stdout), [expected])

      const table = await Process.run(["queue", "info", queue], env)
      assert.match(table.stdout, new RegExp(`^QUEUE +MESSAGES +CONSUMERS\\n${queue} +3 +0\\ndlq\\.${queue} +0 +0\\n$`))

      const purged = await Process.run(["queue", "purge", queue, "--json"], env)
      assert.deepStrictEqual(Process.objectsOf(purged.stdout), [{ queue, purged: 3 }])
      const again = await Process.run(["queue", "purge", queue], env)
      assert.strictEqual(again.stdout, `purged  ${queue}  0 events deleted\n`)
    } finally {
      await Leftovers.remove(url, { queues: [queue, `dlq.${queue}`] })
    }
  })

  for (const verb of ["info", "purge"]) {
    it(`queue ${verb} of a queue that is not there ends with 1`, async () => {
      Process.assertFailed(
        await Process.run(["queue", verb, "no-such-queue"], env),
        1,
        'There is no queue "no-such-queue"'
      )
    })
  }

  it("health says that all is well", async () => {
    const text = await Process.run(["health"], env)
    assert.strictEqual(text.code, 0)
    assert.match(text.stdout, /^healthy\n/)
    const json = await Process.run(["health", "--json"], env)
    assert.strictEqual(json.code, 0)
    assert.deepInclude(Process.objectsOf(json.stdout)[0], { status: "healthy", connected: true })
  })

  it("a wrong password ends with 1, and stays a secret", async () => {
    const wrong = new URL(url)
    wrong.password = Process.password
    const ended = await Process.run(["health"], Process.at(wrong.href))
    Process.assertFailed(ended, 1, wrong.host)
    assert.notInclude(ended.stderr, Process.password)
  })
})
