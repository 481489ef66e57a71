import { readFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, inject, it } from "@effect/vitest"
import type { Options } from "amqplib"
import { Effect, Queue, Schedule, Schema } from "effect"
import { EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { eventually } from "../support/eventually.ts"
import * as RawClient from "./support/RawClient.ts"
import * as Rig from "./support/Rig.ts"

const wire = (name: string) => readFileSync(join(import.meta.dirname, `../fixtures/wire/${name}.json`))

const TaskSubmitted = EventType.make("task.submitted", {
  payload: Schema.Struct({ task_id: Schema.String, description: Schema.String })
})

class OutOfMemory extends Schema.TaggedError<OutOfMemory>()("OutOfMemory", {}) {
  override get message() {
    return "no room for héllo ✓"
  }
}

const once = FailurePolicy.retry(Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 1 })))

const url = inject("rabbitUrl") ?? ""

describe.skipIf(url === "")("The wire", () => {
  const rig = () => Rig.make(url, "wire")

  it.live("brings what a service in another language publishes to a typed handler", () =>
    Effect.gen(function* () {
      const { bus, exchange, queue, raw } = yield* rig()
      const { subscribe } = yield* bus()
      const handled = yield* Queue.unbounded<unknown>()
      yield* subscribe(
        Handler.make(Subscription.make(queue("work"), { events: [TaskSubmitted] }), ({ payload }, { attempt, event }) =>
          Queue.offer(handled, [payload.task_id, attempt, event.priority, event.eventId, event.ttlSeconds])
        )
      )
      const { publish } = yield* raw
      for (const name of ["task-submitted-high", "pydantic2-unknown-fields"]) {
        yield* publish(exchange, "task.submitted.high", wire(name), {
          deliveryMode: 2,
          contentType: "application/json"
        })
        const expected = ["task_123", 1, "high", "1f0b5c1e-0000-4000-8000-000000000002", 3600]
        assert.deepStrictEqual(yield* Queue.take(handled), expected)
      }
    })
  )

  it.live("tells a service in another language why an event is a dead letter, beside the bytes that it sent", () =>
    Effect.gen(function* () {
      const { bus, deadLetterExchange, exchange, queue, raw } = yield* rig()
      const { subscribe } = yield* bus()
      const name = queue("work", [10])
      yield* subscribe(
        Handler.make(Subscription.make(name, { patterns: ["agent.#"] }), () => Effect.fail(new OutOfMemory())).pipe(
          Handler.onFailure(once)
        )
      )
      const { publish, take } = yield* raw
      const body = wire("agent-started")
      const start = Date.now()
      yield* publish(exchange, "agent.started.normal", body, { messageId: "m-1", appId: "orchestrator", type: "t" })
      const { content, fields, properties } = yield* take(`dlq.${name}`)

      assert.strictEqual(content.toString(), body.toString().replace('"retry_count": 0', '"retry_count": 1'))
      assert.strictEqual(fields.exchange, deadLetterExchange)
      assert.deepInclude(properties, {
        contentType: "application/json",
        deliveryMode: 2,
        messageId: "m-1",
        appId: "orchestrator",
        type: "t",
        expiration: undefined
      })
      const {
        "eb-first-failed-at": first,
        "eb-last-failed-at": last,
        "eb-stack": stack,
        "eb-fingerprint": fingerprint,
        "x-delivery-count": _,
        ...headers
      } = { ...properties.headers }
      assert.deepStrictEqual(headers, {
        "eb-attempt": 1,
        "eb-attempts": 2,
        "eb-exchange": exchange,
        "eb-host": hostname(),
        "eb-message": "no room for héllo ✓",
        "eb-queue": name,
        "eb-reason": "OutOfMemory",
        "eb-routing-key": "agent.started.normal"
      })
      assert.match(String(stack), /^OutOfMemory: no room for héllo ✓\n +at /)
      assert.match(String(fingerprint), /^[0-9a-f]{12}$/)
      assert.match(String(first), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      const [firstAt, lastAt] = [Date.parse(String(first)), Date.parse(String(last))]
      assert.isAtLeast(firstAt, start)
      assert.isAtLeast(lastAt - firstAt, 10)
    })
  )

  describe("Hostile messages", () => {
    const good = wire("agent-started")
    const zipped = { contentType: "application/vnd.acme.v2+json", contentEncoding: "gzip" }
    const death = { queue: "work", reason: "expired", count: 9, exchange: "", "routing-keys": ["ping.normal"] }
    const messages: ReadonlyArray<
      readonly [title: string, end: string, body: Uint8Array | string, options?: Options.Publish]
    > = [
      ["a body that is not UTF-8", "InvalidUtf8", Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
      ["an empty body", "InvalidJson", ""],
      ["a body over the limit", "TooLarge", Buffer.alloc(200_000, "x")],
      ["a body nested too deep", "TooDeep", `${"[".repeat(50_000)}${"]".repeat(50_000)}`],
      ["a body that pollutes prototypes", "ForbiddenKey", '{"__proto__":{"polluted":true}}'],
      ["a body of another kind", "InvalidEnvelope", "7"],
      ["a body that is compressed", "InvalidUtf8", gzipSync(good), zipped],
      ["another content type", "handled", good, { contentType: "text/xml", contentEncoding: "gzip" }],
      ["headers 1,000 tables deep", "handled", good, { headers: RawClient.deepTable(1000) }],
      [
        "a header that amqplib itself could not send again",
        "handled",
        good,
        {
          headers: { h: { "!": "object", value: { "!": "bogus" } } }
        }
      ],
      ["a header of prototypes", "handled", good, { headers: JSON.parse('{"__proto__":{"eb-attempt":7}}') }],
      ["a forged death", "handled", good, { headers: { "x-death": [death], "x-first-death-queue": "work" } }],
      ["forged counters", "handled", good, { headers: { "eb-attempt": 999_999_999, "x-delivery-count": 99 } }],
      ["a forged attempt", "no", good, { headers: { "eb-attempt": 1_000_000 } }],
      ["a forged fault", "handled", good, { headers: { "eb-reason": "x", "eb-attempts": -1, "eb-queue": "other" } }],
      ["properties in no order", "handled", good, { messageId: "漢".repeat(85), priority: 255, timestamp: 2 ** 50 }]
    ]
    for (const [title, end, body, options = {}] of messages) {
      it.live(`end where they should, and the consumer goes on: ${title}`, () =>
        Effect.gen(function* () {
          const { bus, exchange, queue, raw } = yield* rig()
          const { subscribe } = yield* bus({ maxBodyBytes: 150_000 })
          const name = queue("work", [10])
          const handled = yield* Queue.unbounded<number>()
          // Each event takes the way through a wait queue, for what is received must not steer what is sent.
          yield* subscribe(
            Handler.make(Subscription.make(name, { patterns: ["ping.*"] }), (_, { attempt }) =>
              attempt === 2 ? Queue.offer(handled, attempt) : Effect.fail("no")
            ).pipe(Handler.onFailure(once))
          )
          const { publish, take } = yield* raw
          yield* publish(exchange, "ping.normal", body, { deliveryMode: 2, ...options })
          if (end === "handled") assert.strictEqual(yield* Queue.take(handled), 2)
          else {
            const dead = yield* take(`dlq.${name}`)
            assert.strictEqual(dead.properties.headers?.["eb-reason"], end)
            assert.deepStrictEqual(dead.content, Buffer.from(body))
            assert.notProperty(dead.properties.headers, "x-death")
            const { contentEncoding, contentType } = options
            if (end !== "no") assert.deepInclude(dead.properties, { contentEncoding, contentType })
            if (contentEncoding !== undefined) assert.include(dead.properties.headers?.["eb-message"], contentEncoding)
          }
          yield* publish(exchange, "ping.normal", good)
          assert.strictEqual(yield* Queue.take(handled), 2)
        })
      )
    }

    it.live("copy themselves nowhere a second time by CC and BCC", () =>
      Effect.gen(function* () {
        const { bus, exchange, queue, raw } = yield* rig()
        const events = yield* bus()
        const name = queue("work", [10])
        yield* events.subscribe(
          Handler.make(Subscription.make(name, { patterns: ["ping.*"] }), () => Effect.fail("no")).pipe(
            Handler.onFailure(once)
          )
        )
        const copies = yield* Rig.collect(events, queue("copies"), { pattern: "copy.#" })
        const { publish, take } = yield* raw
        yield* publish(exchange, "ping.normal", good, { CC: ["copy.cc", name], BCC: ["copy.bcc"] })
        const dead = yield* take(`dlq.${name}`)
        assert.notProperty(dead.properties.headers, "CC")
        yield* Queue.take(copies)
        yield* eventually(
          "the queue of the copies is settled",
          Effect.map(events.queueInfo(queue("copies")), (info) => info._tag === "Some" && info.value.messages === 0)
        )
        assert.strictEqual(yield* Queue.size(copies), 0)
      })
    )
  })
})
