import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type { ConsumeMessage } from "amqplib"
import { DeadLetter, Priority } from "effect-eventbus"
import type { Envelope } from "effect-eventbus"
import * as Result from "effect/Result"
import * as AmqpMessage from "../../packages/amqp/src/internal/AmqpMessage.ts"
import { assertLinear } from "../support/Linear.ts"
import { consumed } from "./support/Consumed.ts"

const now = Date.parse("2026-01-15T10:00:00.000Z")

const envelope: Envelope.Envelope = {
  id: "1f0b5c1e-0000-4000-8000-000000000001",
  type: "agent.started",
  version: 3,
  routingKey: "agent.started.high",
  body: readFileSync(join(import.meta.dirname, "../fixtures/wire/agent-started.json")),
  timestamp: now,
  source: "orchestrator",
  traceId: "1f0b5c1e-0000-4000-8000-00000000000b",
  priority: "high",
  ttl: undefined,
  persistent: true,
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  round: 0,
  attempt: undefined,
  origin: undefined,
  fault: undefined
}

const fault = {
  reason: "RateLimited",
  message: "come back later ✓",
  stack: "Error: come back later\n    at f",
  fingerprint: "0123456789ab",
  host: "worker-7",
  attempts: 2,
  firstFailedAt: now - 60_000,
  lastFailedAt: now
}

const message = (properties: object, content: Uint8Array = envelope.body, routingKey = "key"): ConsumeMessage =>
  consumed({ properties, content, routingKey })

/** Returns the message that the broker delivers for an envelope. */
const travel = (sent: Envelope.Envelope): Envelope.Envelope => {
  const properties = new AmqpMessage.Properties(sent, sent.id ?? "none")
  const options = { ...properties, headers: { ...properties.headers }, deliveryMode: properties.persistent ? 2 : 1 }
  return AmqpMessage.toEnvelope(message(options, sent.body, sent.origin?.queue ?? sent.routingKey), "work", () => now)
}

const received = (properties: object, queue = "work"): Envelope.Envelope =>
  AmqpMessage.toEnvelope(message(properties), queue, () => now)

describe("AmqpMessage", () => {
  const moved = { ...envelope, origin: { queue: "work", exchange: "agent_events" } }

  it("brings an envelope back as it was", () => {
    assert.deepStrictEqual(travel(envelope), envelope)
    const least = { ...envelope, version: undefined, source: undefined, traceId: undefined, traceparent: undefined }
    assert.deepStrictEqual(travel({ ...least, type: undefined, timestamp: undefined, persistent: false }), {
      ...least,
      type: undefined,
      timestamp: undefined,
      persistent: false
    })
  })

  for (const priority of Priority.all) {
    it(`tells the priority ${priority} from the others`, () =>
      assert.strictEqual(travel({ ...envelope, priority }).priority, priority))
  }

  it("keeps the priority of another client's message, and sends none where it had none", () => {
    for (const [level, priority] of [
      [0, "low"],
      [2, "normal"],
      [5, "high"],
      [10, "critical"],
      [255, "critical"],
      [undefined, "normal"]
    ] as const) {
      const envelope = received({ priority: level })
      assert.strictEqual(envelope.priority, priority)
      assert.strictEqual(new AmqpMessage.Properties(envelope, "id").priority, level)
      const dead = DeadLetter.fromJson(DeadLetter.toJson(DeadLetter.fromEnvelope(envelope)))
      assert.strictEqual(Result.getOrThrow(dead).envelope.foreignPriority, level ?? "none")
    }
    for (const level of [1, 4, 7, 9]) assert.notProperty(received({ priority: level }), "foreignPriority")
  })

  it("brings back when a delayed event was due, also from a retry, and takes no forged time", () => {
    const dueAt = now + 3_600_000
    assert.deepStrictEqual(travel({ ...moved, attempt: 2, dueAt }), { ...moved, attempt: 2, dueAt })
    const delayed = new AmqpMessage.Properties({ ...envelope, dueAt }, "id", { "eb-delay-1024": 1 })
    assert.deepStrictEqual(
      { ...delayed.headers },
      { "eb-delay-1024": 1, "eb-due-at": dueAt, "eb-version": 3, traceparent: envelope.traceparent }
    )
    assert.deepStrictEqual(travel({ ...envelope, dueAt }), envelope)
    assert.strictEqual(received({ headers: { ...delayed.headers } }).dueAt, dueAt)
    for (const forged of [-1, 1.5, 1e300, "soon", {}]) {
      assert.isUndefined(received({ headers: { "eb-due-at": forged } }).dueAt)
    }
  })

  it("brings a retried event and a dead letter back with attempt, fault and the key of their first publish", () => {
    for (const sent of [
      { ...moved, attempt: 3 },
      { ...moved, attempt: 3, fault },
      { ...moved, attempt: 1, fault, round: 7 },
      { ...moved, attempt: 1, origin: { queue: "work", exchange: undefined } },
      { ...moved, attempt: 1, fault: { ...fault, stack: undefined, host: undefined } }
    ]) {
      assert.deepStrictEqual(travel(sent), sent)
    }
  })

  it("keeps how a body is to be read, and says nothing of it where its publisher did not", () => {
    const gzip = { contentType: "application/vnd.acme.v2+json", contentEncoding: "gzip" }
    for (const properties of [
      gzip,
      { contentType: "application/json; charset=utf-8" },
      { contentEncoding: "gzip" },
      {}
    ]) {
      for (const queue of ["work", "dlq.work"]) {
        const again = received(properties, queue)
        for (const sent of [again, { ...again, attempt: 1, fault, origin: moved.origin }]) {
          const { contentEncoding, contentType } = new AmqpMessage.Properties(sent, "id")
          assert.deepEqual(
            { contentEncoding, contentType },
            { contentEncoding: undefined, contentType: undefined, ...properties }
          )
          assert.deepStrictEqual(travel(sent).content, sent.content)
        }
      }
    }
    assert.notProperty(received({ contentType: "application/json" }), "content")
    const long = "漢".repeat(300)
    const { contentEncoding, contentType } = new AmqpMessage.Properties(
      { ...envelope, content: { type: long, encoding: long } },
      "id"
    )
    for (const text of [contentEncoding, contentType]) assert.isAtMost(Buffer.byteLength(text ?? ""), 255)
    assert.isUndefined(new AmqpMessage.Properties(AmqpMessage.bare(received(gzip)), "id").contentType)
  })

  it("says in headers of strings and whole numbers, and in no others, what became of an event", () => {
    const headers: object = new AmqpMessage.Properties({ ...moved, attempt: 3, fault }, "id").headers
    assert.deepStrictEqual(headers, {
      traceparent: envelope.traceparent,
      "eb-version": 3,
      "eb-attempt": 3,
      "eb-routing-key": "agent.started.high",
      "eb-exchange": "agent_events",
      "eb-queue": "work",
      "eb-reason": "RateLimited",
      "eb-message": "come back later ✓",
      "eb-stack": "Error: come back later\n    at f",
      "eb-fingerprint": "0123456789ab",
      "eb-host": "worker-7",
      "eb-attempts": 2,
      "eb-first-failed-at": "2026-01-15T09:59:00.000Z",
      "eb-last-failed-at": "2026-01-15T10:00:00.000Z"
    })
    assert.deepStrictEqual(new AmqpMessage.Properties({ ...envelope, traceparent: undefined }, "id").headers, {
      traceparent: undefined,
      "eb-version": 3
    })
  })

  it("asks for a confirm that means a queue has it, and never for a copy elsewhere", () => {
    const options = new AmqpMessage.Properties(moved, "id")
    assert.deepInclude(options, { mandatory: true, persistent: true, messageId: "id", contentType: "application/json" })
    assert.notProperty(options, "CC")
    assert.notProperty(options, "replyTo")
  })

  describe("in a frame", () => {
    // The only thing that knows how many bytes they have on the wire.
    const lib = join(dirname(createRequire(import.meta.url).resolve("amqplib")), "lib")
    const { encodeProperties } = createRequire(import.meta.url)(join(lib, "defs.js"))
    const Args = createRequire(import.meta.url)(join(lib, "api_args.js"))
    const frameOf = (properties: AmqpMessage.Properties): number =>
      encodeProperties(60, 1, 0, Args.publish("exchange", "key", properties)).length
    const long = {
      ...moved,
      attempt: 3,
      ttl: 2 ** 40,
      round: 1_000_000,
      fault: { ...fault, message: "✓".repeat(680), stack: `Error\n${"    at ünï (/app/file.ts:1:1)\n".repeat(250)}` }
    }

    for (const frameMax of [4096, 5000, 8192, 8193, 8194, 8195, 131_072]) {
      it(`cuts what is said of a fault to ${frameMax} bytes, the stack first`, () => {
        const whole = new AmqpMessage.Properties(long, "id")
        const { "eb-message": message, "eb-stack": stack, ...others } = { ...whole.headers }
        const properties = new AmqpMessage.Properties(long, "id")
        assert.isTrue(properties.fit(frameMax - 8))
        assert.isAtMost(frameOf(properties), frameMax)
        const headers = { ...properties.headers }
        assert.deepInclude(headers, others)
        assert.isTrue(String(message).startsWith(String(headers["eb-message"])))
        assert.isTrue(String(stack).startsWith(String(headers["eb-stack"])))
        if (headers["eb-stack"] !== "") assert.strictEqual(headers["eb-message"], message)
        if (frameMax < 16_384) assert.isAbove(frameOf(properties), frameMax - 100, "no more than has to")
        else assert.deepStrictEqual(headers, { ...whole.headers })
      })
    }

    it("says so where even so there is too little room", () => {
      assert.isFalse(new AmqpMessage.Properties(long, "id").fit(500))
    })

    it("says so where the attributes of a CloudEvent are too large for any frame, and then they can be left out", () => {
      for (const bytes of [70_000, 130_000]) {
        const foreign = { ...moved, fault, attributes: { specversion: "1.0", note: "n".repeat(bytes) } }
        assert.isFalse(new AmqpMessage.Properties(foreign, "id").fit(131_072 - 8))
        const left = new AmqpMessage.Properties(AmqpMessage.bare(foreign), "id")
        assert.isTrue(left.fit(131_072 - 8))
        assert.isAtMost(frameOf(left), 131_072)
      }
      const large = { ...moved, fault, attributes: { specversion: "1.0", note: "n".repeat(25_000) } }
      assert.isFalse(new AmqpMessage.Properties(large, "id").fit(20_000))
      assert.isTrue(new AmqpMessage.Properties(large, "id").fit(131_072 - 8))
    })

    it("leaves a publisher's own headers as they are, which fit into any", () => {
      const names = "✓".repeat(85)
      const own = { ...envelope, ttl: 2 ** 40, type: names, source: names, traceId: names }
      const properties = new AmqpMessage.Properties(own, names)
      assert.isTrue(properties.fit(4096 - 8))
      assert.isAtMost(frameOf(properties), 4096)
    })
  })

  it("counts a time to live in milliseconds, as far as AMQP does", () => {
    assert.strictEqual(new AmqpMessage.Properties({ ...envelope, ttl: 1500 }, "id").expiration, 1500)
    assert.strictEqual(new AmqpMessage.Properties({ ...envelope, ttl: 2 ** 40 }, "id").expiration, 2 ** 32 - 1)
  })

  it("never sends again what it received in other headers", () => {
    const headers = {
      CC: ["elsewhere"],
      BCC: ["elsewhere"],
      "x-death": [{ queue: "work", reason: "expired", count: 9 }],
      "x-delivery-count": 99,
      "x-first-death-queue": "work",
      other: { "!": "bogus" },
      "eb-version": 2,
      "eb-unknown": 1
    }
    for (const queue of ["work", "dlq.work"]) {
      const again = new AmqpMessage.Properties({ ...received({ headers }, queue), origin: moved.origin }, "id")
      for (const [name, value] of Object.entries(again.headers)) {
        assert.match(name, /^(traceparent|eb-.+)$/)
        assert.include(["string", "number"], typeof value)
        assert.notEqual(name, "eb-unknown")
      }
    }
  })

  it("cuts what AMQP keeps in 255 bytes, whatever the alphabet", () => {
    for (const character of ["a", "é", "漢", "😀", "\uFFFD"]) {
      const long = character.repeat(300)
      const sent = new AmqpMessage.Properties({ ...envelope, type: long, source: long, traceId: long }, "id")
      const { id } = received({ messageId: long })
      for (const text of [sent.type, sent.appId, sent.correlationId, id]) {
        assert.isAtLeast(Buffer.byteLength(text ?? ""), 85)
        assert.isAtMost(Buffer.byteLength(text ?? ""), 255)
      }
    }
  })

  describe("hostile headers", () => {
    const plain = received({})

    it("are nothing, where there are none or no table", () => {
      for (const headers of [undefined, null, "text", 7, [], () => {}]) {
        assert.deepStrictEqual(received({ headers }), plain)
      }
    })

    it("are ignored, where a value is not what it must be", () => {
      const tables = ["eb-attempt", "eb-version", "eb-routing-key", "eb-reason", "traceparent", "x-death"].flatMap(
        (key) =>
          [
            null,
            true,
            {},
            [],
            [null],
            [7],
            [[]],
            { "!": "timestamp", value: 1 },
            Buffer.from("x"),
            "",
            NaN,
            -1,
            1.5,
            2 ** 60
          ].map((value) => ({ [key]: value }))
      )
      for (const headers of tables) {
        const { fault: _, ...rest } = received({ headers }, "dlq.work")
        const { fault: __, ...expected } = received({}, "dlq.work")
        assert.deepStrictEqual(rest, expected, JSON.stringify(headers))
      }
    })

    it("are ignored, where they are inherited", () => {
      const headers: unknown = JSON.parse('{"__proto__":{"eb-attempt":7}}')
      assert.deepStrictEqual(received({ headers }), plain)
      assert.deepStrictEqual(received({ headers: Object.create({ "eb-attempt": 7, "eb-reason": "x" }) }), plain)
    })

    it("cannot count beyond what anybody counts", () => {
      for (const attempt of [0, 1_000_001, Number.MAX_SAFE_INTEGER]) {
        assert.isUndefined(received({ headers: { "eb-attempt": attempt } }).attempt)
      }
      assert.strictEqual(received({ headers: { "eb-attempt": 1_000_000 } }).attempt, 1_000_000)
      const forged = received({ headers: { "eb-reason": "x", "eb-attempts": 2 ** 40 } }).fault
      assert.strictEqual(forged?.attempts, 0)
    })

    it("cost a live queue no fingerprint, and dead letters no more than they are long", () => {
      const headers = (length: number) => ({ "eb-reason": "x", "eb-stack": `x\n${"    at  (? (".repeat(length / 11)}` })
      assert.strictEqual(received({ headers: headers(8000) }).fault?.fingerprint, "")
      assert.match(received({ headers: headers(8000) }, "dlq.work").fault?.fingerprint ?? "", /^[0-9a-f]{12}$/)
      assertLinear((length) => received({ headers: headers(length) }, "dlq.work"), 500)
    })

    it("cannot be of any length", () => {
      const long = "x".repeat(50_000)
      const headers = { "eb-reason": long, "eb-message": long, "eb-stack": long, "eb-routing-key": long }
      const { fault, routingKey } = received({ headers })
      assert.isAtMost(routingKey.length, 255)
      assert.isAtMost(JSON.stringify(fault).length, 12_000)
    })

    it("cannot be a date that there is not", () => {
      const headers = { "eb-reason": "x", "eb-first-failed-at": "soon", "eb-last-failed-at": "9".repeat(300) }
      const { firstFailedAt, lastFailedAt } = received({ headers }).fault ?? fault
      assert.deepStrictEqual([firstFailedAt, lastFailedAt], [now, now])
    })
  })

  describe("the broker's own dead letters", () => {
    const death = (reason: string, queue = "work") => ({
      queue,
      reason,
      exchange: "agent_events",
      count: 1,
      "routing-keys": ["ping.normal"]
    })

    const wait = "wait.work.100.quorum.agent_events_dlx"
    const waited = { ...death("expired", wait), exchange: "agent_events_dlx", "routing-keys": [wait] }

    it("say why, and under which key the event was published", () => {
      const { fault, origin, routingKey } = received({ headers: { "x-death": [death("delivery_limit")] } }, "dlq.work")
      assert.deepStrictEqual(origin, moved.origin)
      assert.strictEqual(routingKey, "ping.normal")
      assert.strictEqual(fault?.reason, "delivery_limit")
      assert.deepStrictEqual([fault?.firstFailedAt, fault?.lastFailedAt, fault?.attempts], [now, now, 0])
    })

    it("have had the attempts before this one, and remember when the first of them failed", () => {
      const retried = new AmqpMessage.Properties({ ...moved, attempt: 3, fault }, "id")
      const headers = { ...retried.headers, "x-death": [death("expired"), waited] }
      const dead = received({ headers }, "dlq.work")
      assert.strictEqual(dead.attempt, 1)
      assert.deepStrictEqual(dead.origin, moved.origin)
      assert.deepInclude(dead.fault, { reason: "expired", attempts: 2, firstFailedAt: fault.firstFailedAt })
    })

    it("are told from the end of a wait, and from what a live queue receives", () => {
      assert.isUndefined(received({ headers: { "x-death": [waited] } }, "dlq.work").fault)
      assert.isUndefined(received({ headers: { "x-death": [death("expired")] } }).fault)
    })

    it("are known in queues whose names look like those of wait queues", () => {
      for (const queue of ["wait.list", "wait.", wait]) {
        const dead = received({ headers: { "x-death": [waited, death("expired", queue)] } }, `dlq.${queue}`)
        assert.deepInclude(dead.origin, { queue, exchange: "agent_events" })
        assert.strictEqual(dead.fault?.reason, "expired", queue)
      }
    })
  })
})
