import { AmqpBroker } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { Control, EventBus, Handler, Subscription } from "effect-eventbus"
import type { Event } from "effect-eventbus"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl") ?? ""

/** Runs a handler on a bus, and returns what waits for its state and what listens for requests. */
const instanceOf = Effect.fnUntraced(function* <Ev extends Event.Event>(handler: Handler.Handler<Ev, never, never>) {
  const bus = yield* EventBus.EventBus
  const running = yield* bus.subscribe(handler)
  const becomes = (text: RegExp) =>
    running.changes.pipe(
      Stream.filter((state) => text.test(JSON.stringify(state))),
      Stream.runHead,
      Effect.timeout("60 seconds")
    )
  return { becomes, listen: Effect.provideService(Layer.build(Control.layer), EventBus.EventBus, bus) }
})

describe.skipIf(inject("rabbitUrl") === null)("pause and resume", () => {
  it("reach every process that runs the subscription, and say so where none listens", async () => {
    const exchange = Leftovers.unique("control")
    const queue = Leftovers.unique("billing")
    const env = { ...Process.at(url), RABBITMQ_EXCHANGE: exchange }
    const bus = EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ url: Redacted.make(url), exchange })))
    const handler = Handler.make(Subscription.make(queue, { patterns: ["invoice.#"] }), () => Effect.void)
    const program = Effect.gen(function* () {
      const run = (...args: ReadonlyArray<string>) => Effect.promise(() => Process.run(args, env))
      const context = yield* Layer.build(bus)
      const other = yield* Layer.build(Layer.fresh(bus))
      const instances = [
        yield* Effect.provideContext(instanceOf(handler), context),
        yield* Effect.provideContext(instanceOf(handler), other)
      ]
      const alone = yield* run("pause", queue)
      assert.strictEqual(alone.code, 1)
      assert.match(alone.stderr, /No process listens: add Control\.layer/)
      for (const { listen } of instances) yield* listen
      const paused = yield* run("pause", queue, "--for", "1h", "--by", "Ada")
      assert.strictEqual(paused.code, 0, paused.stderr)
      assert.match(paused.stdout, /^asked .+ every process that runs it to pause for 1h\n$/)
      for (const { becomes } of instances) yield* becomes(/"Paused","by":"Ada","since":\d+,"until":\d+/)
      const resumed = yield* run("resume", queue, "--json")
      assert.deepStrictEqual(Process.objectsOf(resumed.stdout), [{ queue, asked: "resume" }])
      for (const { becomes } of instances) yield* becomes(/"Running"/)
    })
    try {
      await Effect.runPromise(Effect.scoped(program))
    } finally {
      await Leftovers.remove(url, { queues: [queue, `dlq.${queue}`], exchanges: [exchange] })
    }
  })

  it("refuse what cannot be meant", async () => {
    for (const args of [
      ["pause", "no queue!"],
      ["pause", "billing", "--for", "soon"],
      ["pause", "billing", "--for", "0s"]
    ]) {
      const { code } = await Process.run(args, Process.at(url))
      assert.strictEqual(code, 2, args.join(" "))
    }
  })
})
