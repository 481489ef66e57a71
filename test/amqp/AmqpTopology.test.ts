import * as AmqpDelay from "@effect-eventbus/amqp/AmqpDelay"
import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import * as AmqpTopology from "@effect-eventbus/amqp/AmqpTopology"
import { assert, describe, inject, it } from "@effect/vitest"
import { Duration, Effect, Option, Queue, Schedule } from "effect"
import { FailurePolicy, Handler, Settlement, Subscription } from "effect-eventbus"
import { eventually } from "../support/eventually.ts"
import * as Rig from "./support/Rig.ts"

const { Ping } = Rig
const settings = AmqpOptions.settings({})
const classic = AmqpOptions.settings({ queueType: "classic" })
const queue = (name: string, options: Subscription.Options = {}) =>
  Subscription.make(name, { patterns: ["#"], ...options })

const hour = 3_600_000
const deadLettering = { "x-dead-letter-exchange": "agent_events_dlx", "x-dead-letter-routing-key": "dlq.work" }

describe("AmqpTopology", () => {
  it("declares a queue that survives a node, with a limit and dead letters that say so", () => {
    assert.deepStrictEqual(AmqpTopology.workQueue(queue("work"), settings), {
      name: "work",
      durable: true,
      exclusive: false,
      arguments: {
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        ...deadLettering,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish"
      }
    })
  })

  it("declares a classic queue where that is asked for, or priorities are, with nothing only quorum queues know", () => {
    const args = { "x-queue-type": "classic", ...deadLettering }
    assert.deepStrictEqual(AmqpTopology.workQueue(queue("work"), classic).arguments, args)
    const own = AmqpOptions.settings({ queues: { work: { queueType: "classic" } } })
    assert.deepStrictEqual(AmqpTopology.workQueue(queue("work"), own).arguments, args)
    assert.deepStrictEqual(AmqpTopology.workQueue(queue("work", { priorities: true }), settings).arguments, {
      ...args,
      "x-max-priority": 10
    })
    assert.strictEqual(AmqpTopology.workQueue(queue("other"), own).arguments["x-queue-type"], "quorum")
  })

  it("declares only what is asked for", () => {
    const { arguments: args } = AmqpTopology.workQueue(queue("work", { deadLetter: false, messageTtl: 1500 }), settings)
    assert.deepStrictEqual(args, { "x-queue-type": "quorum", "x-delivery-limit": 20, "x-message-ttl": 1500 })
  })

  it("declares a temporary queue that goes with its connection, which every version allows", () => {
    assert.deepStrictEqual(AmqpTopology.workQueue(queue("look", { temporary: true }), settings), {
      name: "look",
      durable: false,
      exclusive: true,
      arguments: {}
    })
  })

  it("declares dead letters that a reader does not wear out, and that go on when one kills its readers", () => {
    for (const declaration of [
      AmqpTopology.deadLetterQueue("dlq.work", settings),
      AmqpTopology.workQueue(queue("dlq.work"), settings)
    ]) {
      assert.deepStrictEqual(declaration.arguments, {
        "x-queue-type": "quorum",
        "x-delivery-limit": 1_000_000_000,
        "x-dead-letter-exchange": settings.deadLetterExchange,
        "x-dead-letter-routing-key": "dlq.dlq.work",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish"
      })
    }
    assert.deepStrictEqual(AmqpTopology.deadLetterQueue("dlq.work", classic).arguments, { "x-queue-type": "classic" })
  })
})

const url = inject("rabbitUrl") ?? ""

describe.skipIf(url === "")("AmqpTopology on RabbitMQ", () => {
  const rig = () => Rig.make(url, "topology")

  it.live("leads each dead letter and each retry to the queue that it came from", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const events = yield* bus()
      const attempts = yield* Queue.unbounded<string>()
      const [one, two] = [queue("one", [100]), queue("two", [100])]
      for (const name of [one, two]) {
        const handler = Handler.make(Subscription.make(name, { patterns: ["ping.*"] }), (_, { attempt, queue }) =>
          Effect.andThen(Queue.offer(attempts, `${queue} ${attempt}`), name === one ? Effect.fail("no") : Effect.void)
        )
        const policy: FailurePolicy.FailurePolicy<unknown> = {
          ...FailurePolicy.deadLetter,
          decide: ({ attempt }) =>
            Effect.succeed(attempt < 3 ? Settlement.retry("100 millis") : Settlement.deadLetter())
        }
        yield* events.subscribe(handler.pipe(Handler.onFailure(policy)))
      }
      const dead = yield* Rig.collect(events, `dlq.${one}`)
      const event = yield* Ping.event({})
      yield* events.publish(event)
      assert.strictEqual(yield* Queue.take(dead), event.eventId)
      const seen = yield* Queue.takeN(attempts, 4)
      assert.sameMembers(seen, [`${one} 1`, `${one} 2`, `${one} 3`, `${two} 1`])
      const info = yield* events.queueInfo(`dlq.${two}`)
      assert.strictEqual(info._tag === "Some" && info.value.messages, 0)
      assert.strictEqual(yield* Queue.size(attempts), 0)
    })
  )

  it.live("binds a subscription of dead letters to no live event", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const events = yield* bus()
      const dead = yield* Rig.collect(events, `dlq.${queue("work")}`, { pattern: "#" })
      const error = yield* Effect.flip(events.publish(yield* Ping.event({}), { unroutable: "fail" }))
      assert.strictEqual(error.reason._tag, "Unroutable")
      assert.strictEqual(yield* Queue.size(dead), 0)
    })
  )

  it.live("dead-letters what waits in a queue for too long", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const events = yield* bus()
      const name = queue("work")
      const options = { patterns: ["ping.*"], messageTtl: Duration.millis(100), concurrency: 1 }
      yield* events.subscribe(
        Handler.make(Subscription.make(name, { ...options, drainTimeout: 0 }), () => Effect.never)
      )
      const reasons = yield* Queue.unbounded<string | undefined>()
      const dead = Subscription.make(`dlq.${name}`, { events: [Ping] })
      yield* events.subscribe(
        Handler.make(dead, (_, { envelope }) =>
          Queue.offer(reasons, `${envelope.fault?.reason} ${envelope.routingKey}`)
        )
      )
      yield* events.publishAll([yield* Ping.event({}), yield* Ping.event({})])
      assert.strictEqual(yield* Queue.take(reasons), "expired ping.normal")
    })
  )

  it.live(
    "lets an event wait no longer than its delay and a minute, even in a queue that does not know its delay yet",
    () =>
      Effect.gen(function* () {
        const { bus, queue, raw, settings } = yield* rig()
        const events = yield* bus()
        const name = queue("work", [hour])
        const failing = Handler.make(Subscription.make(name, { patterns: ["ping.*"] }), () => Effect.fail("later"))
        const later = FailurePolicy.retry(Schedule.spaced("1 hour"))
        yield* events.subscribe(failing.pipe(Handler.onFailure(later)))
        yield* events.publish(yield* Ping.event({}))
        const wait = AmqpDelay.waitQueue(name, hour, settings()).name
        yield* eventually(
          "the event waits",
          Effect.map(events.queueInfo(wait), (info) => Option.isSome(info) && info.value.messages === 1)
        )
        const waiting = yield* (yield* raw).take(wait)
        assert.strictEqual(waiting.properties.expiration, `${hour + 60_000}`)
      })
  )

  it.live("hands the urgent out first, from a queue with priorities", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const events = yield* bus()
      const name = queue("work")
      const subscription = Subscription.make(name, { patterns: ["ping.*"], priorities: true })
      yield* Effect.scoped(
        Effect.flatMap(bus(), ({ subscribe }) => subscribe(Handler.make(subscription, () => Effect.void)))
      )
      const priorities = ["low", "normal", "high", "critical"] as const
      for (const priority of priorities) yield* events.publish(yield* Ping.event({}, { priority }))
      const handled = yield* Queue.unbounded<string>()
      yield* events.subscribe(Handler.make(subscription, ({ priority }) => Queue.offer(handled, priority)))
      assert.deepStrictEqual(yield* Queue.takeN(handled, 4), priorities.toReversed())
    })
  )

  for (const topology of ["none", "verify"] as const) {
    it.live(`consumes what others declared, with the topology "${topology}", and changes nothing of it`, () =>
      Effect.gen(function* () {
        const { bus, deadLetterExchange, exchange, queue, raw } = yield* rig()
        const { publish, run, take } = yield* raw
        const name = queue("work")
        const args = { "x-queue-type": "classic", "x-message-ttl": 60_000, "x-max-length": 1000 }
        yield* run(async (channel) => {
          await channel.assertExchange(exchange, "topic", { durable: false })
          await channel.assertExchange(deadLetterExchange, "direct", { durable: false })
          await channel.assertQueue(name, { durable: true, arguments: args })
          await channel.assertQueue(`dlq.${name}`, { durable: true })
          await channel.bindQueue(`dlq.${name}`, deadLetterExchange, `dlq.${name}`)
        })
        const events = yield* bus({ topology })
        const handled = yield* Queue.unbounded<string>()
        const subscription = Subscription.make(name, { patterns: ["ping.*"] })
        yield* events.subscribe(
          Handler.make(subscription, (event) =>
            Effect.andThen(Queue.offer(handled, event.eventId), Effect.fail("no"))
          ).pipe(Handler.onFailure(FailurePolicy.deadLetter))
        )
        // The service that declares decides on the bindings, too.
        const event = yield* Ping.event({})
        assert.strictEqual(
          (yield* Effect.flip(events.publish(event, { unroutable: "fail" }))).reason._tag,
          "Unroutable"
        )
        yield* run((channel) => channel.bindQueue(name, exchange, "ping.*"))
        yield* events.publish(event, { unroutable: "fail" })
        assert.strictEqual(yield* Queue.take(handled), event.eventId)
        assert.strictEqual((yield* take(`dlq.${name}`)).properties.messageId, event.eventId)

        yield* run((channel) => channel.assertQueue(name, { durable: true, arguments: args }))
        yield* run((channel) => channel.assertExchange(exchange, "topic", { durable: false }))
        // Neither exchange leads to it by its name.
        yield* publish(deadLetterExchange, name, "no queue gets this")
        yield* eventually(
          "nothing is left",
          Effect.map(events.queueInfo(name), (info) => info._tag === "Some" && info.value.messages === 0)
        )
      })
    )
  }

  it.live("attaches to a single queue that others declared, and declares the rest", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig()
      const { run } = yield* raw
      const [theirs, ours] = [queue("theirs"), queue("ours")]
      yield* run((channel) => channel.assertQueue(theirs, { durable: true }))
      const events = yield* bus({ queues: { [theirs]: { topology: "none" }, [ours]: { queueType: "classic" } } })
      yield* Rig.collect(events, theirs)
      const handled = yield* Rig.collect(events, ours)
      yield* run((channel) => channel.assertQueue(theirs, { durable: true }))
      yield* run((channel) => channel.checkQueue(ours))
      const event = yield* Ping.event({})
      yield* events.publish(event, { unroutable: "fail" })
      assert.strictEqual(yield* Queue.take(handled), event.eventId)
    })
  )
})
