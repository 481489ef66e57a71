import { AmqpBroker } from "@effect-eventbus/amqp"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Redacted, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { inject } from "vitest"
import * as Leftovers from "../support/Leftovers.ts"
import * as Process from "./Process.ts"

const url = inject("rabbitUrl") ?? ""

const Asked = EventType.untyped("asked")
const Answered = EventType.untyped("answered")

class NoIdea extends Schema.TaggedError<NoIdea>()("NoIdea", { message: Schema.String }) {}

/** Plays a trace of a question, its answer, and a dead letter. */
const play = (exchange: string, traceId: string) =>
  Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    const answered = yield* Deferred.make<void>()
    const desk = Subscription.make(`${exchange}.desk`, { events: [Asked] })
    yield* bus.subscribe(
      Handler.make(desk, () => Effect.flatMap(Answered.event({}), bus.publish)).pipe(
        Handler.onFailure(FailurePolicy.deadLetter)
      )
    )
    const clerk = Subscription.make(`${exchange}.clerk`, { events: [Answered] })
    yield* bus.subscribe(
      Handler.make(clerk, () =>
        Effect.andThen(Deferred.succeed(answered, undefined), Effect.fail(new NoIdea({ message: "no idea\u001b[31m" })))
      ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
    )
    yield* bus.publish(yield* Asked.event({}, { traceId }))
    yield* Deferred.await(answered)
  }).pipe(
    Effect.scoped,
    Effect.provide(EventBus.layer.pipe(Layer.provide(AmqpBroker.layer({ url: Redacted.make(url), exchange })))),
    Effect.runPromise
  )

/** An exchange of its own, and what is bound to it, for as long as something is done. */
const onStage = async (f: (exchange: string, traceId: string) => Promise<void>) => {
  const exchange = Leftovers.unique("trace")
  const queues = ["desk", "clerk"].flatMap((name) => [`${exchange}.${name}`, `dlq.${exchange}.${name}`])
  try {
    await f(exchange, crypto.randomUUID())
  } finally {
    await Leftovers.remove(url, { queues, exchanges: [exchange, `${exchange}_dlx`] })
  }
}

const follow = async (exchange: string, ...args: ReadonlyArray<string>) => {
  const trace = Process.start(["trace", ...args], { ...Process.at(url), RABBITMQ_EXCHANGE: exchange })
  await trace.remark("Following")
  return trace
}

describe.skipIf(inject("rabbitUrl") === null).concurrent("eventbus trace", () => {
  it("draws what caused what, and its dead letter, and nothing of other traces", () =>
    onStage(async (exchange, traceId) => {
      const queue = `${exchange}.clerk`
      await play(exchange, crypto.randomUUID())
      const trace = await follow(exchange, traceId.toUpperCase(), "--queue", queue, "--count", "3")
      await play(exchange, traceId)
      const { code, stderr, stdout } = await trace.ended
      assert.strictEqual(code, 0, stderr)
      const time = /\d\d:\d\d:\d\d\.\d{3}/.source
      const [summary, ...lines] = Process.linesOf(stdout)
      assert.strictEqual(summary, `trace ${traceId}  2 events · 1 dead letter`)
      assert.strictEqual(lines.length, 3, stdout)
      assert.match(lines[0] ?? "", new RegExp(`^${time}  asked  [0-9a-f]{8}$`))
      assert.match(lines[1] ?? "", new RegExp(`^${time}  └─ answered  [0-9a-f]{8}$`))
      assert.match(lines[2] ?? "", new RegExp(`^ {20}✗ dlq.${queue} after 1 attempt: NoIdea: no idea\\\\u001b`))
    }))

  it("tells programs as it goes", () =>
    onStage(async (exchange, traceId) => {
      await play(exchange, traceId)
      // The dead letter was there before; what is published is there while it looks.
      const trace = await follow(exchange, traceId, "--queue", `${exchange}.clerk`, "--json")
      await trace.output("NoIdea")
      trace.interrupt()
      const { code, stdout } = await trace.ended
      assert.strictEqual(code, 0)
      const [letter, ...others] = Process.objectsOf(stdout)
      assert.deepStrictEqual(others, [])
      assert.deepInclude(letter, { event_type: "answered", trace_id: traceId, retry_count: 0 })
      assert.deepInclude(letter?.["dead_letter"], {
        queue: `dlq.${exchange}.clerk`,
        reason: "NoIdea",
        attempts: 1
      })
    }))

  it("ends with 1 when nothing of the trace was seen in time", () =>
    onStage(async (exchange, traceId) => {
      const trace = await follow(exchange, traceId, "--for", "200ms")
      const { code, stderr, stdout } = await trace.ended
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "")
      assert.include(stderr, "No event of this trace was seen within 200ms")
    }))

  it("ends with 1 when there are no such dead letters, and with 2 when it is no trace or no time", async () => {
    const env = Process.at(url)
    const id = crypto.randomUUID()
    const [missing, noTrace, noTime] = await Promise.all([
      Process.run(["trace", id, "--queue", "no-such-queue"], env),
      Process.run(["trace", "everything"]),
      Process.run(["trace", id, "--for", "soon"])
    ])
    assert.strictEqual(missing.code, 1)
    assert.include(missing.stderr, 'There is no queue "dlq.no-such-queue"')
    Process.assertFailed(noTrace, 2, '"everything" is not a UUID')
    Process.assertFailed(noTime, 2, '"soon" is not a duration')
  })
})
