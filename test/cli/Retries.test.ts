import { AmqpBroker, AmqpDelay, AmqpOptions } from "@effect-eventbus/amqp"
import { assert, describe, inject, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Schedule } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { eventually } from "../support/eventually.ts"
import * as Leftovers from "../support/Leftovers.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl") ?? ""
const env = Process.at(url)
const Ping = EventType.untyped("ping")

const waitQueue = (queue: string) => AmqpDelay.waitQueue(queue, 60_000, AmqpOptions.settings({})).name

/** Leaves events of a queue behind that failed once, and wait for a minute. */
const leaveWaiting = (queue: string, events: number) =>
  Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    const failing = Handler.make(Subscription.make(queue, { patterns: [`${queue}.#`] }), () => Effect.fail("not yet"))
    yield* bus.subscribe(
      Handler.onFailure(failing, FailurePolicy.retry(Schedule.spaced("1 minute").pipe(Schedule.upTo({ times: 3 }))))
    )
    for (let n = 0; n < events; n++) {
      yield* bus.publish(yield* Ping.event({ n }), { routingKey: `${queue}.ping`, unroutable: "fail" })
    }
    const waiting = Effect.map(
      bus.queueInfo(waitQueue(queue)),
      Option.exists(({ messages }) => messages === events)
    )
    yield* eventually(`${events} events wait`, waiting)
  }).pipe(
    Effect.scoped,
    Effect.provide(EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ url: Redacted.make(url) })))),
    Effect.runPromise
  )

describe.skipIf(url === "")("retries", () => {
  it("shows what waits and when it is due, and retries it now", async () => {
    const queue = Leftovers.unique("retried")
    try {
      await leaveWaiting(queue, 2)
      const show = (...args: ReadonlyArray<string>) => Process.run(["retries", "show", queue, ...args], env)
      const text = await show()
      assert.strictEqual(text.code, 0, text.stderr)
      assert.strictEqual(text.stderr, `2 events of ${queue} wait for a retry\n`)
      const [title, count, , header, ...rows] = Process.linesOf(text.stdout)
      assert.match(title ?? "", /^EVENTS +DELAY$/)
      assert.match(count ?? "", /^ +2 +1 min$/)
      assert.match(header ?? "", /^ *DUE IN +ID +TYPE +TRY +REASON +MESSAGE$/)
      for (const row of rows) assert.match(row, /^ +[45]\d(\.\d)? s +[0-9a-f]{8} +ping +2 +Failure +not yet$/)
      assert.strictEqual(rows.length, 2)

      const [event] = Process.objectsOf((await show("--json", "--count", "1")).stdout)
      assert.deepInclude(event, { type: "ping", attempt: 2, delay_ms: 60_000, reason: "Failure", message: "not yet" })
      assert.closeTo(Date.parse(String(event?.["due_at"])), Date.now() + 45_000, 15_000)

      const now = await Process.run(["retries", "now", queue], env)
      assert.strictEqual(now.stdout, `retried  ${queue}  2 now\n`)
      const info = await Process.run(["queue", "info", queue, "--json"], env)
      assert.deepInclude(Process.objectsOf(info.stdout)[0], { messages: 2 })
      const none = await show()
      assert.strictEqual(none.stdout, "")
      assert.strictEqual(none.stderr, `0 events of ${queue} wait for a retry\n`)
    } finally {
      await Leftovers.remove(url, { queues: [queue, `dlq.${queue}`, waitQueue(queue)] })
    }
  })

  it("of a queue that does not exist ends with 1", async () => {
    for (const verb of ["show", "now"]) {
      const ended = await Process.run(["retries", verb, "no-such-queue"], env)
      Process.assertFailed(ended, 1, 'There is no queue "no-such-queue"')
    }
  })

  it("queue info --watch prints a line of JSON for each change, and ends well with Ctrl-C", async () => {
    const queue = Leftovers.unique("watched")
    try {
      await leaveWaiting(queue, 1)
      const watch = Process.start(["queue", "info", queue, "--watch", "--json"], env)
      await watch.output('"messages":0')
      await Process.run(["retries", "now", queue], env)
      await watch.output('"messages":1')
      watch.interrupt()
      const { code, stderr, stdout } = await watch.ended
      assert.strictEqual(code, 0, stderr)
      assert.deepStrictEqual(
        Process.objectsOf(stdout).map(({ messages }) => messages),
        [0, 1]
      )
    } finally {
      await Leftovers.remove(url, { queues: [queue, `dlq.${queue}`, waitQueue(queue)] })
    }
  })
})
