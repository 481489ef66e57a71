/**
 * Hostile messages in a queue. The consumer survives every one of them, and each is handled, dead-lettered or refused after
 * a bounded number of deliveries.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Options } from "amqplib"
import { Effect, Queue } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import { inject } from "vitest"
import * as Rig from "../../amqp/support/Rig.ts"
import * as HostileBodies from "./HostileBodies.ts"
import * as HostileQueue from "./HostileQueue.ts"
import * as rawFrames from "./rawFrames.ts"

const url = inject("rabbitUrl")
const hostileQueue = (options?: Parameters<typeof HostileQueue.make>[1]) => HostileQueue.make(url ?? "", options)

/** Returns an entry of the `x-death` header, which RabbitMQ adds to messages that it dead-letters. */
const death = (queue: string, reason: string) => ({
  queue,
  reason,
  count: 1,
  exchange: "events",
  "routing-keys": ["ping.normal"],
  time: { "!": "timestamp", value: 1_700_000_000 }
})

describe.skipIf(url === null)("Hostile input", () => {
  it.live(`${HostileBodies.all.length} bodies become dead letters at once, with their bytes and the reason`, () =>
    Effect.gen(function* () {
      const { becomes, failing, handled, letters, raw, rig, to, work } = yield* hostileQueue()
      for (const { body, name } of HostileBodies.all) {
        yield* raw.publish(to.exchange, to.routingKey, body, { persistent: true, messageId: name })
      }
      // A valid event behind them, which the same consumer must still handle.
      yield* raw.publish(to.exchange, to.routingKey, failing(9), { messageId: "valid" })
      assert.deepStrictEqual(yield* handled(3), [1, 2, 3, "good"])
      yield* becomes(`dlq.${work}`, HostileBodies.all.length + 1)
      yield* becomes(work, 0)

      const readable = HostileBodies.all.filter(({ isEvent }) => isEvent === true)
      const read = yield* Effect.timeout(Queue.takeN(yield* letters, readable.length + 1), "60 seconds")
      assert.deepStrictEqual(
        new Map(read.map(({ envelope }) => [envelope.id, envelope.fault?.reason])),
        new Map([...readable.map(({ name, reason }) => [name, reason] as const), ["valid", "Flaky"]])
      )
      // The dead letters that no subscription can decode are dead-lettered again, with the same bytes.
      rig.queue(`dlq.${work}`)
      for (const { body, name, reason } of HostileBodies.all.filter((each) => !readable.includes(each))) {
        const { content, properties } = yield* raw.take(`dlq.dlq.${work}`)
        assert.strictEqual(properties.messageId, name)
        assert.strictEqual(properties.headers?.["eb-reason"], reason, name)
        assert.isTrue(Buffer.from(body).equals(content), name)
      }
      yield* becomes(`dlq.${work}`, 0)
    })
  )

  it.live("the properties of a message do not change how its content is decoded", () =>
    Effect.gen(function* () {
      const { handled, raw, to } = yield* hostileQueue()
      const hostile: ReadonlyArray<Options.Publish> = [
        { contentType: "application/x-python-pickle" },
        { contentType: "text/plain; charset=utf-16", contentEncoding: "gzip" },
        { type: "pong", appId: "x".repeat(255), correlationId: "no-uuid", replyTo: "elsewhere" },
        { priority: 255 }
      ]
      for (const properties of hostile) {
        yield* raw.publish(to.exchange, to.routingKey, HostileBodies.bodyWith({ payload: { n: 2 } }), properties)
        assert.deepStrictEqual(yield* handled(2), [1, 2, "good"], JSON.stringify(properties))
      }
    })
  )

  it.live("forged attempt counts do not keep an event from becoming a dead letter", () =>
    Effect.gen(function* () {
      const { becomes, handled, letters, raw, to, work } = yield* hostileQueue()
      const reader = yield* letters
      const last = Number.MAX_SAFE_INTEGER
      for (const { attempts, fields = {}, header } of [
        { header: -1, attempts: [1, 2, 3] },
        { header: 0, attempts: [1, 2, 3] },
        { header: 1.5, attempts: [1, 2, 3] },
        { header: "2", attempts: [1, 2, 3] },
        { header: 2 ** 40, attempts: [1, 2, 3] },
        { header: [2], attempts: [1, 2, 3] },
        { header: 3, attempts: [3] },
        { header: 1_000_000, attempts: [1_000_000] },
        { fields: { retry_count: 1e9 }, attempts: [1e9 + 1] },
        { fields: { retry_count: last - 2 }, attempts: [last - 1] },
        { fields: { max_retries: 1e9 }, attempts: [1, 2, 3] },
        { header: 1, fields: { retry_count: last, max_retries: last }, attempts: [1, 2, 3] }
      ]) {
        const headers = header === undefined ? {} : { "eb-attempt": header, "x-delivery-count": 1e9 }
        const body = HostileBodies.bodyWith({ payload: { n: last }, ...fields })
        yield* raw.publish(to.exchange, to.routingKey, body, { headers })
        const which = JSON.stringify({ header, fields })
        assert.deepStrictEqual(yield* handled(attempts.length), [...attempts, "good"], which)
        const letter = yield* Effect.timeout(Queue.take(reader), "60 seconds")
        assert.strictEqual(letter.envelope.fault?.reason, "Flaky", which)
        assert.strictEqual(letter.attempt, 1, which)
      }
      yield* becomes(work, 0)
    })
  )

  it.live("forged routes are not followed: a retry and a dead letter go only to their own queues", () =>
    Effect.gen(function* () {
      const { becomes, failing, handled, letters, raw, rig, to, work } = yield* hostileQueue()
      const elsewhere = rig.queue("elsewhere")
      yield* raw.run((channel) => channel.assertQueue(elsewhere, { durable: true }))
      for (const exchange of [rig.exchange, rig.deadLetterExchange]) {
        yield* raw.run((channel) => channel.bindQueue(elsewhere, exchange, elsewhere))
      }
      for (const headers of [{ CC: [elsewhere] }, { BCC: [elsewhere] }]) {
        yield* raw.publish(to.exchange, to.routingKey, failing(1), { headers })
        assert.deepStrictEqual(yield* handled(2), [1, 2, "good"])
        // The copy of the original publish, and no other.
        yield* raw.take(elsewhere)
        yield* becomes(elsewhere, 0)
        yield* raw.publish(to.exchange, to.routingKey, failing(9), { headers })
        assert.deepStrictEqual(yield* handled(3), [1, 2, 3, "good"])
        yield* raw.take(elsewhere)
        yield* becomes(elsewhere, 0)
      }
      const read = yield* letters
      yield* Effect.timeout(Queue.takeN(read, 2), "60 seconds")
      yield* becomes(`dlq.${work}`, 0)
      assert.strictEqual(yield* Queue.size(read), 0)
    })
  )

  // RabbitMQ 3.10 drops a message that it dead-letters to a queue in which, by its `x-death` header, it has died before.
  it.live("forged deaths lose no event", () =>
    Effect.gen(function* () {
      const { failing, handled, letters, raw, to, work } = yield* hostileQueue()
      const deaths = [
        [death(work, "expired")],
        [death(work, "expired"), death(`dlq.${work}`, "expired")],
        [{ ...death(work, "expired"), count: 2 ** 31 - 1 }],
        [death(work, "maxlen")]
      ]
      for (const forged of deaths) {
        yield* raw.publish(to.exchange, to.routingKey, failing(2), { headers: { "x-death": forged } })
        assert.deepStrictEqual(yield* handled(3), [1, 2, 3, "good"])
        yield* raw.publish(to.exchange, to.routingKey, failing(9), { headers: { "x-death": forged } })
        assert.deepStrictEqual(yield* handled(3), [1, 2, 3, "good"])
      }
      const read = yield* Effect.timeout(Queue.takeN(yield* letters, deaths.length), "60 seconds")
      for (const { envelope } of read) assert.strictEqual(envelope.fault?.reason, "Flaky")
    })
  )

  const strange: ReadonlyArray<readonly [string, rawFrames.Properties]> = [
    [
      "a 64-bit field, which amqplib cannot read",
      { headers: rawFrames.table(rawFrames.unsigned64("n", 2n ** 64n - 1n)) }
    ],
    [
      "a table that amqplib decodes as a typed value",
      { headers: rawFrames.table(rawFrames.field("h", "F", rawFrames.table(rawFrames.text("!", "bogus")))) }
    ],
    [
      "a table under __proto__",
      {
        headers: rawFrames.table(rawFrames.field("__proto__", "F", rawFrames.table(rawFrames.text("eb-attempt", "9"))))
      }
    ],
    ["a key twice", { headers: rawFrames.table(rawFrames.text("eb-reason", "a"), rawFrames.text("eb-reason", "b")) }],
    ["keys that are no text", { headers: rawFrames.table(rawFrames.field("\0\uFFFF", "V", Buffer.alloc(0))) }],
    ["an id of 255 bytes that are no text", { messageId: Buffer.alloc(255, 0xff) }],
    ["an empty id", { messageId: Buffer.alloc(0) }],
    ["the largest timestamp", { timestamp: 2n ** 64n - 1n }],
    ["tables, 500 deep", { headers: rawFrames.nested(500) }],
    ["tables, 4,000 deep", { headers: rawFrames.nested(4000) }],
    ["tables, 12,000 deep", { headers: rawFrames.nested(12_000) }]
  ]
  for (const [name, properties] of strange) {
    it.live.each(["quorum", "classic"] as const)(
      `an event with ${name} in a %s queue is handled like any other`,
      (queueType) =>
        Effect.gen(function* () {
          const { failing, handled, letters, to } = yield* hostileQueue({ queueType })
          const publish = (body: string) => rawFrames.publish(url ?? "", to, body, properties)
          assert.strictEqual(yield* publish(failing(1)), "taken")
          assert.deepStrictEqual(yield* handled(2), [1, 2, "good"])
          assert.strictEqual(yield* publish(failing(9)), "taken")
          assert.deepStrictEqual(yield* handled(3), [1, 2, 3, "good"])
          const letter = yield* Effect.timeout(Queue.take(yield* letters), "60 seconds")
          assert.strictEqual(letter.envelope.fault?.reason, "Flaky")
        })
    )
  }

  it.live("RabbitMQ refuses what it could not deliver, and the consumer goes on", () =>
    Effect.gen(function* () {
      const { failing, handled, to } = yield* hostileQueue()
      const refused: ReadonlyArray<rawFrames.Properties> = [
        { headers: rawFrames.table(rawFrames.field("h", "Z", Buffer.alloc(8))) },
        { headers: rawFrames.table().fill(0xff) },
        { expiration: "soon" },
        { expiration: "-1" }
      ]
      for (const properties of refused) {
        assert.strictEqual(yield* rawFrames.publish(url ?? "", to, failing(0), properties), "refused")
        assert.deepStrictEqual(yield* handled(0), ["good"])
      }
    })
  )

  it.live("an event with an expiration of 0 is handled by an idle consumer, and its retry does not expire", () =>
    Effect.gen(function* () {
      const { failing, handled, to } = yield* hostileQueue()
      assert.strictEqual(yield* rawFrames.publish(url ?? "", to, failing(1), { expiration: "0" }), "taken")
      assert.deepStrictEqual(yield* handled(2), [1, 2, "good"])
    })
  )

  it.live("an event that kills every consumer becomes a dead letter at the broker's delivery limit", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url ?? "", "hostile")
      const bus = yield* rig.bus({ deliveryLimit: 10 })
      const work = rig.queue("work")
      yield* Effect.scoped(Rig.collect(bus, work))
      yield* (yield* rig.raw).publish(rig.exchange, "ping.normal", HostileBodies.bodyWith(), { persistent: true })
      const consumerDies = Effect.scoped(Effect.flatMap(rig.raw, ({ run }) => run((channel) => channel.get(work))))
      const deaths = yield* Effect.replicateEffect(consumerDies, 15)
      assert.strictEqual(deaths.filter((got) => got !== false).length, 11)
      const letters = yield* Queue.unbounded<readonly [attempt: number, reason: string | undefined]>()
      const reader = Subscription.make(`dlq.${work}`)
      yield* bus.subscribe(
        Handler.make(reader, (_, { attempt, envelope }) => Queue.offer(letters, [attempt, envelope.fault?.reason]))
      )
      assert.deepStrictEqual(yield* Effect.timeout(Queue.take(letters), "60 seconds"), [1, "delivery_limit"])
    })
  )
})
