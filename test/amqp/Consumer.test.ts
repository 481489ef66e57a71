import { assert, describe, inject, it } from "@effect/vitest"
import { Effect, Exit, Latch, Option, Queue, Scope } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import { Refused } from "effect-eventbus/BrokerError"
import * as AmqpConnection from "../../packages/amqp/src/AmqpConnection.ts"
import * as AmqpTopology from "../../packages/amqp/src/AmqpTopology.ts"
import { lingerTime } from "../../packages/amqp/src/internal/AmqpAcknowledger.ts"
import * as AmqpConsumer from "../../packages/amqp/src/internal/AmqpConsumer.ts"
import { LateAcks } from "../../packages/amqp/src/internal/LateAcks.ts"
import { eventually } from "../support/eventually.ts"
import { consumed } from "./support/Consumed.ts"
import * as Lines from "./support/Lines.ts"
import * as Node from "./support/OwnNode.ts"
import * as Rig from "./support/Rig.ts"
import { timed } from "./support/timed.ts"

const { Ping } = Rig
const url = inject("rabbitUrl") ?? ""

describe.skipIf(inject("rabbitUrl") === null).concurrent("A consumer", () => {
  it.live("that cannot come back says so once, and again when it is for another reason", () => {
    const { layer, lines } = Lines.collect()
    return Effect.gen(function* () {
      const { queue, raw, settings } = yield* Rig.make(url, "consumer")
      const connection = yield* AmqpConnection.make(settings(), "consume")
      yield* AmqpTopology.exchanges(yield* connection.live)
      let attempts = 0
      let trouble: Refused | undefined
      const troubled: AmqpConnection.AmqpConnection = {
        ...connection,
        live: Effect.suspend(() => {
          attempts++
          return trouble === undefined ? connection.live : Effect.fail(trouble)
        })
      }
      const work = Subscription.make(queue("work"), { patterns: ["ping.*"], deadLetter: false })
      const consumer = yield* AmqpConsumer.make(troubled, work, () => {})
      const { run } = yield* raw
      const told = () => lines.filter((line) => line.includes("Cannot consume"))
      // Reasons that take turns are told once each.
      for (const [round, detail] of ["one", "two", "one", "two"].entries()) {
        trouble = new Refused({ operation: "declare", detail })
        if (round === 0) yield* run((channel) => channel.deleteQueue(work.name))
        attempts = 0
        yield* eventually(
          "it has tried four times",
          Effect.sync(() => attempts >= 4)
        )
        const known = Math.min(round + 1, 2)
        assert.strictEqual(told().length, known, told().join("\n"))
        assert.include(told()[Math.min(round, known - 1)], round < 2 ? detail : "two")
      }
      trouble = undefined
      yield* eventually("it is back", Effect.sync(consumer.isAttached))
      // RabbitMQ 4.3 may still show the queue when it cancels the consumer.
      assert.isTrue(
        lines.some((line) => line.includes("cancelled the consumer: its queue was deleted")),
        lines.join("\n")
      )
    }).pipe(Effect.provide(layer))
  })

  it.live("of a temporary queue has nothing to wait for at its end", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* Rig.make(url, "consumer")
      const { publish, subscribe } = yield* bus()
      let ends = 0
      const end = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const handled = yield* Queue.unbounded<string>()
        const subscription = Subscription.make(queue(`${++ends}`), { patterns: ["ping.*"], temporary: true })
        yield* subscribe(Handler.make(subscription, ({ eventId }) => Queue.offer(handled, eventId))).pipe(
          Scope.provide(scope)
        )
        yield* publish(yield* Ping.event({}))
        yield* Queue.take(handled)
        const [, millis] = yield* timed(Scope.close(scope, Exit.void))
        return millis
      })
      // On a busy machine some take longer. One that waits always does.
      yield* eventually(
        "one ends sooner than it could wait",
        Effect.map(end, (millis) => millis < lingerTime)
      )
    })
  )
})

describe.skipIf(!Node.isPossible)("A handler that takes longer than RabbitMQ waits", () => {
  const node = Node.ownNode()
  const impatient = Effect.gen(function* () {
    const timeout = (millis: number) => node.ctl("eval", `application:set_env(rabbit, consumer_timeout, ${millis}).`)
    yield* timeout(1000)
    yield* Effect.addFinalizer(() => timeout(1_800_000))
  })

  for (const [when, line] of [
    ["before its event comes back", "was interrupted"],
    ["when its event has come back", "again"]
  ] as const) {
    it.live(`has handled its event, once: it ends ${when}`, () => {
      const late = Latch.makeUnsafe(false)
      const { layer, lines } = Lines.collect((said) => {
        if (said.startsWith("Consuming") && said.includes(line)) late.openUnsafe()
      })
      return Effect.gen(function* () {
        const { bus, queue } = yield* Rig.make(node.url, "late")
        const { publish, queueInfo, subscribe } = yield* bus()
        yield* impatient
        const work = queue("work")
        const begun = yield* Queue.unbounded<string>()
        yield* subscribe(
          Handler.make(Subscription.make(work, { patterns: ["ping.*"] }), ({ eventId }) =>
            Effect.andThen(Queue.offer(begun, eventId), late.await)
          )
        )
        const first = yield* Ping.event({})
        yield* publish(first)
        yield* late.await
        const second = yield* Ping.event({})
        yield* publish(second)
        assert.deepStrictEqual(yield* Queue.takeN(begun, 2), [first.eventId, second.eventId])
        yield* eventually(
          "both are out of their queue",
          Effect.map(node.ctl("list_queues", "name", "messages"), (list) => list.includes(`${work}\t0`))
        )
        const dead = yield* queueInfo(`dlq.${work}`)
        assert.isTrue(Option.isSome(dead) && dead.value.messages === 0)
        assert.strictEqual(yield* Queue.size(begun), 0)
        const said = lines.filter((line) =>
          /not acknowledged within (1000 ms, RabbitMQ's|its) consumer_timeout/.test(line)
        )
        assert.isTrue(
          said.some((line) => line.startsWith(`Consuming "${work}" was interrupted`)),
          lines.join("\n")
        )
        assert.strictEqual(said.filter((line) => line.includes("acknowledged too late")).length, 1, lines.join("\n"))
      }).pipe(Effect.provide(layer))
    })
  }
})

describe("Late acknowledgements", () => {
  const message = (messageId: string | undefined, redelivered = true, body = "a", headers?: object) => {
    const { fields, ...rest } = consumed({ content: Buffer.from(body), properties: { messageId, headers } })
    return { ...rest, fields: { ...fields, redelivered } }
  }

  it("are of the same message, handed out again, and count once", () => {
    const acks = new LateAcks()
    acks.add(message("1", false), [])
    for (const other of [
      message("2"),
      message("1", false),
      message("1", true, "b"),
      message("1", true, "a", { "eb-attempt": 2 }),
      message("1", true, "a", { "eb-round": 1 }),
      message(undefined)
    ]) {
      assert.isFalse(acks.take(other))
    }
    assert.deepStrictEqual([acks.take(message("1")), acks.take(message("1"))], [true, false])
  })

  it("settle what has come back already", () => {
    const acks = new LateAcks()
    const held = [message("2"), message("1", false), message("1", true, "b"), message("1")]
    assert.strictEqual(acks.add(message("1", false), held), held[3])
    assert.isFalse(acks.take(message("1")))
  })

  it("are not remembered of messages without an id, nor beyond a thousand", () => {
    const acks = new LateAcks()
    acks.add(message(undefined), [])
    assert.isFalse(acks.take(message(undefined)))
    for (let i = 0; i <= 1000; i++) acks.add(message(`${i}`), [])
    assert.deepStrictEqual(
      [0, 1, 1000].map((i) => acks.take(message(`${i}`))),
      [false, true, true]
    )
  })
})
