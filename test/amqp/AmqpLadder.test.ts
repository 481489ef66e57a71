import * as AmqpLadder from "@effect-eventbus/amqp/AmqpLadder"
import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import { assert, describe, inject, it } from "@effect/vitest"
import { Clock, Effect, Queue } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import { eventually } from "../support/eventually.ts"
import { remove } from "../support/Leftovers.ts"
import * as Rig from "./support/Rig.ts"

const { Ping } = Rig
const settings = AmqpOptions.settings({})
const day = 24 * 3_600_000

/** Delays of all sizes, the longest among them. */
const delays = [
  ...Array.from({ length: 3000 }, (_, n) => Math.ceil(1.0075 ** n)).filter((delay) => delay < 49 * day),
  1,
  127,
  128,
  129,
  255,
  256,
  257,
  1000,
  1024,
  60_000,
  day,
  7 * day,
  49 * day
]

describe("AmqpLadder", () => {
  it("rounds a delay up, by less than 256 ms or 0.4 %", () => {
    for (const delay of delays) {
      const rounded = AmqpLadder.rounded(delay)
      assert.isAtLeast(rounded, delay)
      assert.isBelow(rounded - delay, Math.max(256, delay * 0.004), `${delay} ms`)
    }
    assert.isBelow(AmqpLadder.rounded(100) - 100, 128)
  })

  it("leads through levels whose sum is the delay, and past all others", () => {
    for (const delay of delays) {
      const { exchange, headers, top } = AmqpLadder.route(delay, settings)
      const { "eb-delay-end": end = 0, ...steps } = headers
      const levels = Object.entries(steps).map(
        ([name, waits]) => [Number(name.slice("eb-delay-".length)), waits] as const
      )
      assert.strictEqual(
        levels.reduce((sum, [level, waits]) => sum + level * waits, 0),
        AmqpLadder.rounded(delay)
      )
      // Every level between the first and the last says which way to go.
      assert.deepStrictEqual(
        levels.map(([level]) => level),
        AmqpLadder.levels.filter((level) => level <= top && level >= end).toReversed()
      )
      assert.deepStrictEqual([levels[0]?.[1], levels.at(-1)], [1, [end, 1]])
      assert.strictEqual(exchange, AmqpLadder.nameOf(top, settings))
      assert.isAtMost(levels.filter(([, waits]) => waits === 1).length, 10, `${delay} ms pass too many queues`)
    }
  })

  it("keeps every delay in 25 quorum queues, whose times to live have 32 bits", () => {
    assert.lengthOf(AmqpLadder.levels, 25)
    for (const level of AmqpLadder.levels) {
      const { arguments: args, name } = AmqpLadder.queueOf(level, settings)
      assert.strictEqual(name, `agent_events_delay.${level}`)
      assert.deepStrictEqual(args, {
        "x-queue-type": "quorum",
        "x-message-ttl": level,
        "x-dead-letter-exchange": level === 128 ? "agent_events_delay" : `agent_events_delay.${level / 2}`,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish"
      })
      assert.isBelow(level, 2 ** 32)
    }
  })

  it("has names of its own for an exchange that RabbitMQ keeps for itself", () => {
    const own = AmqpOptions.settings({ exchange: "amq.topic", deadLetterExchange: "letters" })
    assert.strictEqual(AmqpLadder.nameOf(1024, own), "topic_delay.1024")
  })
})

const url = inject("rabbitUrl") ?? ""

describe.skipIf(url === "")("AmqpLadder on RabbitMQ", () => {
  /** A rig whose levels are removed with it. */
  const rig = Effect.gen(function* () {
    const self = yield* Rig.make(url, "ladder")
    yield* Effect.addFinalizer(() =>
      Effect.promise(() => remove(url, AmqpLadder.names(self.settings(), AmqpLadder.rounded(49 * day))))
    )
    return self
  })

  it.live("declares the levels up to the one that is needed, when it is needed", () =>
    Effect.gen(function* () {
      const { bus, settings } = yield* rig
      const events = yield* bus()
      const isThere = (level: number) =>
        Effect.map(events.queueInfo(AmqpLadder.nameOf(level, settings())), (info) => info._tag === "Some")
      assert.isFalse(yield* isThere(128))
      yield* events.publish(yield* Ping.event({}), { delay: 500 })
      assert.deepStrictEqual(yield* Effect.forEach([128, 256, 512, 1024], isThere), [true, true, true, false])
    })
  )

  it.live("is late by a second at most, or by 1 % of a longer delay, unless the machine is busy", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig
      const events = yield* bus()
      const arrivals = yield* Queue.unbounded<number>()
      yield* events.subscribe(
        Handler.make(Subscription.make(queue("work"), { events: [Ping] }), (_, { envelope: { dueAt = 0 } }) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => Queue.offer(arrivals, now - dueAt))
        )
      )
      // Of all three at once. What is always late is found out, however often it is tried.
      const latest = Effect.gen(function* () {
        for (const delay of [1, 900, 2000]) yield* events.publish(yield* Ping.event({}), { delay })
        return Math.max(...(yield* Queue.takeN(arrivals, 3)))
      })
      let late = Infinity
      yield* eventually(
        "three events arrive in time",
        Effect.map(latest, (millis) => (late = millis) <= 1000),
        { atMost: "100 seconds", state: () => `${late} ms late` }
      )
      assert.isAtLeast(late, 0)
    })
  )

  it.live("keeps an event for 49 days, and no longer than that level and a minute in a queue", () =>
    Effect.gen(function* () {
      const { bus, raw, settings } = yield* rig
      const events = yield* bus()
      const event = yield* Ping.event({}, { ttlSeconds: 5 })
      const now = yield* Clock.currentTimeMillis
      yield* events.publish(event, { delay: "49 days" })
      const top = AmqpLadder.levels.at(-1) ?? 0
      const { fields, properties } = yield* (yield* raw).take(AmqpLadder.nameOf(top, settings()))
      assert.strictEqual(fields.routingKey, "ping.normal")
      assert.strictEqual(properties.messageId, event.eventId)
      assert.strictEqual(properties.expiration, `${top + 60_000}`)
      const dueAt: unknown = properties.headers?.["eb-due-at"]
      assert.approximately(Number(dueAt) - now, 49 * day, 10_000)
    })
  )

  it.live("is declared again where a queue of it was deleted, or the exchange of the events", () =>
    Effect.gen(function* () {
      const { bus, exchange, queue, raw, settings } = yield* rig
      const events = yield* bus()
      const { run } = yield* raw
      const handled = yield* Rig.collect(events, queue("work"))
      const publishLater = Effect.flatMap(Ping.event({}), (event) =>
        Effect.as(events.publish(event, { delay: 200 }), event.eventId)
      )
      assert.strictEqual(yield* publishLater, yield* Queue.take(handled))
      yield* run((channel) => channel.deleteQueue(AmqpLadder.nameOf(256, settings())))
      assert.strictEqual(yield* publishLater, yield* Queue.take(handled))
      yield* run((channel) => channel.deleteExchange(AmqpLadder.nameOf(256, settings())))
      assert.strictEqual(yield* publishLater, yield* Queue.take(handled))
      yield* run((channel) => channel.deleteExchange(exchange))
      // The first publish finds out, and has everything declared again.
      yield* eventually(
        "publishes go on",
        Effect.match(
          Effect.flatMap(Ping.event({}), (event) => events.publish(event, { unroutable: "fail" })),
          {
            onSuccess: () => true,
            onFailure: () => false
          }
        )
      )
      yield* Queue.take(handled)
      assert.strictEqual(yield* publishLater, yield* Queue.take(handled))
    })
  )

  it.live("lets no event that is due wait for a queue to be bound for it, behind which all others would wait", () =>
    Effect.gen(function* () {
      const { bus, queue, settings } = yield* rig
      const events = yield* bus()
      const handled = yield* Rig.collect(events, queue("work"))
      const unbound = yield* Effect.replicateEffect(Ping.event({}), 100)
      yield* events.publishAll(unbound, { delay: 50, routingKey: "no.queue" })
      const event = yield* Ping.event({})
      yield* events.publish(event, { delay: 50 })
      assert.strictEqual(yield* Queue.take(handled), event.eventId)
      const left = Effect.forEach([AmqpLadder.nameOf(128, settings()), AmqpLadder.unroutableOf(settings())], (name) =>
        Effect.map(events.queueInfo(name), (info) => (info._tag === "Some" ? info.value.messages : -1))
      )
      yield* eventually(
        "nothing is left",
        Effect.map(left, (counts) => counts.every((count) => count === 0))
      )
    })
  )

  it.live("names the exchange of the events, not its own, as the origin of an event that dies later", () =>
    Effect.gen(function* () {
      const { bus, exchange, queue } = yield* rig
      const events = yield* bus()
      const name = queue("work")
      const subscription = Subscription.make(name, { patterns: ["ping.*"], messageTtl: 1 })
      yield* events.declare(subscription)
      const origins = yield* Queue.unbounded<string | undefined>()
      const dead = Subscription.make(`dlq.${name}`, { patterns: ["#"] })
      yield* events.subscribe(
        Handler.make(dead, (_, { envelope: { fault, origin, routingKey } }) =>
          Queue.offer(origins, [origin?.queue, origin?.exchange, fault?.reason, routingKey].join(" "))
        )
      )
      yield* events.publish(yield* Ping.event({}), { delay: 200 })
      assert.strictEqual(yield* Queue.take(origins), `${name} ${exchange} expired ping.normal`)
    })
  )
})
