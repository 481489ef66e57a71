import { AmqpConnection, AmqpOptions, AmqpPlan, AmqpQueue } from "@effect-eventbus/amqp"
import { assert, describe, inject, it } from "@effect/vitest"
import { Effect, Queue, type Scope } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import type { QueueSpec } from "effect-eventbus"
import * as Rig from "./support/Rig.ts"

const work = (queue = "work", options: Subscription.Options = {}) =>
  Subscription.make(queue, { patterns: ["ping.*"], ...options })

const named = ({ item }: AmqpPlan.Wanted): string => {
  switch (item._tag) {
    case "Exchange":
      return item.name
    case "Queue":
      return item.declaration.name
    case "Binding":
      return `${item.queue} < ${item.exchange} ${item.key}`
  }
}

describe("AmqpPlan", () => {
  const settings = AmqpOptions.settings({ queues: { theirs: { topology: "verify" } } })
  const wanted = (...queues: ReadonlyArray<QueueSpec.QueueSpec>) => AmqpPlan.wanted(queues, settings)

  it("wants each thing once, and dead letters before what could have some", () => {
    assert.deepStrictEqual(
      wanted(work(), work(), Subscription.make("dlq.work")).map(named),
      [
        "agent_events",
        "agent_events_dlx",
        "dlq.work",
        "dlq.work < agent_events_dlx dlq.work",
        "work",
        "work < agent_events_dlx work",
        "work < agent_events ping.*",
        "dlq.dlq.work",
        "dlq.dlq.work < agent_events_dlx dlq.dlq.work",
        "dlq.work < agent_events_dlx dlq.work"
      ].filter((name, i, all) => all.indexOf(name) === i)
    )
  })

  it("wants the patterns of all subscriptions of one queue", () => {
    const two = wanted(work(), Subscription.make("work", { patterns: ["pong.*"] })).map(named)
    assert.includeMembers(two, ["work < agent_events ping.*", "work < agent_events pong.*"])
  })

  it("wants no queue that goes with its consumer", () => {
    assert.deepStrictEqual(wanted(work("looker", { temporary: true })).map(named), ["agent_events", "agent_events_dlx"])
  })

  it("wants the queues of others to be there, and no more of them", () => {
    const theirs = wanted(work("theirs")).filter(({ isOurs }) => !isOurs)
    assert.deepStrictEqual(theirs.map(named), ["dlq.theirs", "theirs"])
  })

  it("refuses a queue that is wanted in two ways", () => {
    assert.throws(() => wanted(work(), work("work", { messageTtl: "1 minute" })), RangeError, 'queue "work"')
  })
})

const url = inject("rabbitUrl") ?? ""

describe.skipIf(url === "")("AmqpPlan on RabbitMQ", () => {
  const rig = Rig.make(url, "plan")

  const connected = (settings: AmqpOptions.Settings) =>
    Effect.flatMap(AmqpConnection.make(settings, "consume"), ({ live }) => live)

  const look = (
    settings: AmqpOptions.Settings,
    queues: ReadonlyArray<QueueSpec.QueueSpec>
  ): Effect.Effect<ReadonlyArray<AmqpPlan.Finding>, never, Scope.Scope> =>
    Effect.orDie(Effect.flatMap(connected(settings), (live) => AmqpPlan.look(live, AmqpPlan.wanted(queues, settings))))

  const states = (findings: ReadonlyArray<AmqpPlan.Finding>) =>
    findings.map(({ item, state }) => `${item._tag} ${state._tag}`)

  const differences = (findings: ReadonlyArray<AmqpPlan.Finding>, name: string) => {
    const state = findings.find((finding) => named(finding) === name)?.state
    return state?._tag === "Different"
      ? state.differences.map(({ argument, current, wanted }) => [argument, current, wanted])
      : []
  }

  it.live("sees what is missing, makes nothing by looking, and makes it when it is told to", () =>
    Effect.gen(function* () {
      const { bus, queue, settings } = yield* rig
      const queues = [work(queue("work"))]
      const before = yield* look(settings(), queues)
      assert.deepStrictEqual(states(before), [
        "Exchange Missing",
        "Exchange Missing",
        "Queue Missing",
        "Binding Missing",
        "Queue Missing",
        "Binding Missing",
        "Binding Missing"
      ])
      assert.deepStrictEqual(yield* look(settings(), queues), before)

      const live = yield* connected(settings())
      yield* AmqpPlan.apply(live, before)
      const after = yield* look(settings(), queues)
      assert.sameMembers([...new Set(states(after))], ["Exchange There", "Queue There", "Binding Unseen"])
      yield* AmqpPlan.apply(live, after)

      // What it has made is what a service finds, and its bindings lead there.
      const events = yield* bus({ topology: "verify" })
      const handled = yield* Rig.collect(events, queue("work"))
      yield* events.publish(yield* Rig.Ping.event({}), { unroutable: "fail" })
      assert.isString(yield* Queue.take(handled))
      yield* Effect.flatMap(bus(), ({ subscribe }) => subscribe(Handler.make(work(queue("work")), () => Effect.void)))
    })
  )

  it.live("names every argument that differs, and changes none of them", () =>
    Effect.gen(function* () {
      const { deadLetterExchange, exchange, queue, raw, settings } = yield* rig
      const name = queue("work")
      const { run } = yield* raw
      const args = {
        "x-message-ttl": 1234,
        "x-max-length": 10,
        "x-dead-letter-exchange": "it's another",
        "x-dead-letter-routing-key": "42"
      }
      const asTheyAre = () =>
        run(async (channel) => {
          await channel.assertExchange(exchange, "fanout", { durable: false })
          await channel.assertExchange(deadLetterExchange, "direct", { autoDelete: true })
          await channel.assertQueue(name, { durable: false, autoDelete: true, arguments: args })
          await channel.assertQueue(`dlq.${name}`, { arguments: { "x-queue-type": "classic" } })
        })
      yield* asTheyAre()
      const findings = yield* look(settings(), [work(name)])
      assert.sameDeepMembers(differences(findings, exchange), [
        ["type", "fanout", "topic"],
        ["durable", false, true]
      ])
      assert.deepStrictEqual(differences(findings, deadLetterExchange), [["auto_delete", true, false]])
      const found = differences(findings, name)
      // Since RabbitMQ 4 a queue has a type, whether it was declared with one or not.
      const type = found.find(([argument]) => argument === "x-queue-type")?.[1]
      assert.include([undefined, "classic"], type)
      // What is only for quorum queues, RabbitMQ does not compare in a classic one.
      assert.includeDeepMembers(found, [
        ["durable", false, true],
        ["auto_delete", true, false],
        ["x-queue-type", type, "quorum"],
        ["x-message-ttl", 1234, undefined],
        ["x-max-length", 10, undefined],
        ["x-dead-letter-exchange", "it's another", deadLetterExchange],
        ["x-dead-letter-routing-key", "42", `dlq.${name}`],
        ["x-overflow", undefined, "reject-publish"]
      ])
      // To declare it as it was is allowed only if it still is what it was.
      yield* asTheyAre()
    })
  )

  it.live("sees that a queue which shall be ordered has several consumers, and the other way round", () =>
    Effect.gen(function* () {
      const { queue, settings } = yield* rig
      const name = queue("work")
      const plain = work(name)
      const ordered = Subscription.make(name, { patterns: ["ping.*"], orderedBy: ({ eventId }) => eventId })
      const active = Effect.fnUntraced(function* (declared: QueueSpec.QueueSpec, wanted: QueueSpec.QueueSpec) {
        const live = yield* connected(settings())
        yield* AmqpPlan.apply(live, yield* look(settings(), [declared]))
        const found = differences(yield* look(settings(), [wanted]), name)
        yield* AmqpQueue.remove(live, name)
        return found.filter(([argument]) => argument === "x-single-active-consumer")
      })
      const argument = "x-single-active-consumer"
      assert.deepStrictEqual(yield* active(plain, ordered), [[argument, undefined, true]])
      assert.deepStrictEqual(yield* active(ordered, plain), [[argument, true, undefined]])
      assert.deepStrictEqual(yield* active(ordered, ordered), [])
    })
  )

  it.live("looks for the queues of others, whatever they are like, and never makes them", () =>
    Effect.gen(function* () {
      const { queue, raw, settings } = yield* rig
      const name = queue("theirs")
      const { run } = yield* raw
      yield* run((channel) => channel.assertQueue(name, { arguments: { "x-max-length": 10 } }))
      const own = settings({ queues: { [name]: { topology: "none" } } })
      const findings = (yield* look(own, [work(name)])).filter(({ isOurs }) => !isOurs)
      assert.deepStrictEqual(
        findings.map((finding) => [named(finding), finding.state._tag]),
        [
          [`dlq.${name}`, "Missing"],
          [name, "There"]
        ]
      )
      assert.deepStrictEqual(AmqpPlan.toMake(findings), [])
    })
  )

  it.live("says so where it cannot look, because another connection has it for itself", () =>
    Effect.gen(function* () {
      const { queue, raw, settings } = yield* rig
      const name = queue("work")
      const { run } = yield* raw
      yield* run((channel) => channel.assertQueue(name, { exclusive: true }))
      const state = (yield* look(settings(), [work(name)])).find((finding) => named(finding) === name)?.state
      assert.strictEqual(state?._tag, "Unseen")
      assert.include(state?._tag === "Unseen" ? state.why : "", "RESOURCE_LOCKED")
      yield* run((channel) => channel.deleteQueue(name))
    })
  )
})
