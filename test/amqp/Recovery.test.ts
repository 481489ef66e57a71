import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Metric, Option, Queue, Redacted, Schedule, Scope, Stream } from "effect"
import { FailurePolicy, Handler, Settlement, Subscription } from "effect-eventbus"
import type { DecodedDelivery, EventBus } from "effect-eventbus"
import { readings } from "../../packages/testing/src/contract/Readings.ts"
import { eventually } from "../support/eventually.ts"
import * as Lines from "./support/Lines.ts"
import * as Node from "./support/OwnNode.ts"
import * as Proxy from "./support/Proxy.ts"
import * as Rig from "./support/Rig.ts"
import { timed } from "./support/timed.ts"

const { Ping } = Rig

type Bus = EventBus.EventBus["Service"]

const becomes = ({ health }: Bus, status: string) =>
  eventually(
    `the bus is ${status}`,
    Effect.map(health, (now) => now.status === status)
  )

/** A publish waits longer for the broker than its test does for anything. */
const patience = { publishTimeout: "1 hour" } as const

/** Publishes a new event that some queue must want, and says which. */
const publish = (bus: Bus, routingKey?: string) =>
  Effect.gen(function* () {
    const event = yield* Ping.event({})
    yield* bus.publish(event, { routingKey, unroutable: "fail" })
    return event.eventId
  })

/** RabbitMQ 3.10 forgets a quorum queue when it is killed within half a second of its declaration. */
const queuesAreKept = Effect.sleep("1 second")

const staleSettlements = Effect.map(Metric.snapshot, (metrics) => {
  const counter = metrics.find(({ id }) => id === "eventbus_stale_settlements_total")
  return counter?.type === "Counter" ? Number(counter.state.count) : 0
})

describe.skipIf(!Node.isPossible)("Recovery", () => {
  const node = Node.ownNode()
  const rig = () => Rig.make(node.url, "recovery")

  it.live("loses no confirmed event when the broker is killed amid publishing and consuming", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const events = yield* bus({ ...patience, maxInFlight: 20 })
      const work = queue("work")
      const handled = yield* Rig.collect(events, work, { concurrency: 10 })
      yield* queuesAreKept

      const killed = yield* Deferred.make<void>()
      const confirmed = new Set<string>()
      const publishing = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 500 }, (_, i) => i),
          Effect.fnUntraced(function* (i) {
            if (i === 200) yield* Deferred.succeed(killed, undefined)
            confirmed.add(yield* publish(events))
          }),
          { concurrency: 30, discard: true }
        )
      )
      yield* Deferred.await(killed)
      yield* node.kill
      assert.isBelow(confirmed.size, 500, "it was killed too late to matter")
      yield* node.restart
      yield* Fiber.join(publishing)
      assert.strictEqual(confirmed.size, 500)

      const missing = new Set(confirmed)
      while (missing.size > 0) {
        const id = yield* Effect.timeoutOption(Queue.take(handled), "60 seconds")
        assert.isTrue(Option.isSome(id), `${missing.size} confirmed events are lost`)
        if (Option.isSome(id)) missing.delete(id.value)
      }
      assert.strictEqual((yield* events.health).status, "healthy")
    })
  )

  it.live("waits for the broker up to the publish timeout, and says how it is meanwhile", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const patient = yield* bus(patience)
      // An outage of more than the connection timeout is an outage like any other.
      const hasty = yield* bus({ publishTimeout: "3 seconds", connectionTimeout: "2 seconds" })
      const handled = yield* Rig.collect(patient, queue("work"))
      const others = yield* Rig.collect(hasty, queue("other"), { pattern: "pong.*" })
      yield* queuesAreKept
      assert.strictEqual((yield* patient.health).status, "healthy")

      yield* node.kill
      const published = yield* Effect.forkChild(publish(patient))
      const [down, error] = yield* Effect.all([hasty.health, Effect.flip(publish(hasty))], { concurrency: 2 })
      assert.deepInclude(down, { status: "unhealthy", connected: false })
      assert.deepInclude(down.details, { publishing: "disconnected", consuming: "disconnected", consumersDetached: 1 })
      assert.strictEqual(error.reason._tag, "Disconnected", error.message)
      assert.isTrue(error.isRetryable)

      yield* node.restart
      assert.strictEqual(yield* Queue.take(handled), yield* Fiber.join(published))
      yield* Effect.all([becomes(patient, "healthy"), becomes(hasty, "healthy")])
      const other = yield* publish(hasty, "pong.normal")
      assert.strictEqual(yield* Queue.take(others), other)
    })
  )

  it.live("comes back when the broker closes every connection", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const events = yield* bus()
      const handled = yield* Rig.collect(events, queue("work"))
      for (const _ of [1, 2]) {
        yield* node.ctl("close_all_connections", "a test")
        const id = yield* publish(events)
        assert.strictEqual(yield* Queue.take(handled), id)
        yield* becomes(events, "healthy")
      }
    })
  )

  it.live("says in the words of the broker why a consumer was interrupted with its connection", () => {
    const { layer, lines } = Lines.collect()
    return Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      yield* Rig.collect(yield* bus(), queue("work"))
      yield* node.ctl("close_all_connections", "maintenance tonight")
      const isTold = (line: string) => line.includes("was interrupted") && line.includes("maintenance tonight")
      yield* eventually(
        "the consumer says why",
        Effect.sync(() => lines.some(isTold)),
        { state: () => lines.join("\n") }
      )
    }).pipe(Effect.provide(layer))
  })

  it.live("counts its connections, and how often they were made again", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const now = Effect.map(readings, (all) =>
        ["connections", "reconnects_total"].flatMap((name) =>
          ["publish", "consume"].map((role) => all[`eventbus_${name}{role="${role}"}`])
        )
      )
      yield* Effect.gen(function* () {
        const events = yield* bus()
        yield* Rig.collect(events, queue("work"))
        assert.deepStrictEqual(yield* now, [1, 1, 0, 0])
        yield* node.ctl("close_all_connections", "a test")
        yield* publish(events)
        yield* becomes(events, "healthy")
        assert.deepStrictEqual(yield* now, [1, 1, 1, 1])
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* now, [0, 0, 1, 1])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.live("declares a queue again that is deleted while it is consumed, and is degraded until then", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig()
      const events = yield* bus()
      const work = queue("work")
      const handled = yield* Rig.collect(events, work)
      const { run } = yield* raw
      yield* run((channel) => channel.deleteQueue(work))
      // A queue that another connection made in its place cannot be consumed.
      yield* run((channel) => channel.assertQueue(work, { arguments: { "x-queue-type": "classic" } }))
      yield* becomes(events, "degraded")
      assert.deepInclude((yield* events.health).details, { consumers: 1, consumersDetached: 1, consuming: "connected" })

      yield* run((channel) => channel.deleteQueue(work))
      yield* becomes(events, "healthy")
      const id = yield* publish(events)
      assert.strictEqual(yield* Queue.take(handled), id)
    })
  )

  it.live("loses no dead letter whose queue is deleted", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig()
      const events = yield* bus()
      const work = queue("work")
      const subscription = Subscription.make(work, { patterns: ["ping.*"] })
      yield* events.subscribe(
        Handler.make(subscription, () => Effect.fail("no")).pipe(Handler.onFailure(FailurePolicy.deadLetter))
      )
      const { run, take } = yield* raw
      yield* run((channel) => channel.deleteQueue(`dlq.${work}`))
      const id = yield* publish(events)
      yield* eventually(
        "the dead letters are back",
        Effect.map(events.queueInfo(`dlq.${work}`), (info) => Option.isSome(info) && info.value.messages > 0)
      )
      assert.strictEqual((yield* take(`dlq.${work}`)).properties.messageId, id)
    })
  )

  it.live("loses no retry whose wait queue is deleted", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* rig()
      const events = yield* bus()
      const work = queue("work", [50])
      const attempts = yield* Queue.unbounded<number>()
      const { run } = yield* raw
      yield* events.subscribe(
        Handler.make(Subscription.make(work, { patterns: ["ping.*"] }), (_, { attempt }) =>
          Effect.gen(function* () {
            yield* Queue.offer(attempts, attempt)
            if (attempt === 2)
              yield* run((channel) => channel.deleteQueue(`wait.${work}.50.quorum.${work.split(".")[0]}_dlx`))
            if (attempt < 4) return yield* Effect.fail("not yet")
          })
        ).pipe(Handler.onFailure(FailurePolicy.retry(Schedule.spaced("50 millis"))))
      )
      yield* publish(events)
      assert.deepStrictEqual(yield* Queue.takeN(attempts, 4), [1, 2, 3, 4])
    })
  )

  it.live("leaves the neighbours alone when a channel dies, and what it had is handled again", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const timeout = (millis: number) => node.ctl("eval", `application:set_env(rabbit, consumer_timeout, ${millis}).`)
      yield* timeout(1000)
      yield* Effect.addFinalizer(() => timeout(1_800_000))
      const events = yield* bus()
      const slow = Subscription.make(queue("slow"), { patterns: ["ping.*"], concurrency: 2, drainTimeout: 0 })
      const started = yield* Queue.unbounded<boolean>()
      yield* events.subscribe(
        Handler.make(slow, (_, { redelivered }) =>
          Effect.andThen(Queue.offer(started, redelivered), redelivered ? Effect.void : Effect.never)
        )
      )
      const neighbour = yield* Queue.unbounded<boolean>()
      yield* events.subscribe(
        Handler.make(Subscription.make(queue("neighbour"), { patterns: ["pong.*"] }), (_, { redelivered }) =>
          Queue.offer(neighbour, redelivered)
        )
      )
      yield* publish(events)
      assert.isFalse(yield* Queue.take(started))
      // The broker closes the channel when the acknowledgement takes too long.
      while (yield* Effect.map(Queue.poll(started), Option.isNone)) {
        yield* publish(events, "pong.normal")
        assert.isFalse(yield* Queue.take(neighbour), "delivered again to the neighbour")
      }
      yield* becomes(events, "healthy")
    })
  )

  it.live("keeps its connections when the broker still says something on a channel that is closed", () =>
    Effect.gen(function* () {
      const { exchange, queue } = yield* rig()
      const proxy = yield* Proxy.to(node.port)
      const url = Redacted.make(`amqp://guest:guest@127.0.0.1:${proxy.port}`)
      const events = yield* Rig.bus({ url, exchange })
      const handled = yield* Rig.collect(events, queue("work"))
      const connections = proxy.connections()
      // A `basic.ack` of delivery 1 on channel 77 (AMQP 0-9-1, section 4.2.3).
      yield* proxy.tell(Buffer.from("01004d0000000d003c0050000000000000000100ce", "hex"))
      const id = yield* publish(events)
      assert.strictEqual(yield* Queue.take(handled), id)
      assert.strictEqual(proxy.connections(), connections)
    })
  )

  it.live("publishes again what is in flight when the connection is lost, and ignores that no queue wants it", () =>
    Effect.gen(function* () {
      const { exchange } = yield* rig()
      const proxy = yield* Proxy.to(node.port)
      const url = Redacted.make(`amqp://guest:guest@127.0.0.1:${proxy.port}`)
      const events = yield* Rig.bus({ url, exchange })
      yield* proxy.swallow
      const publishing = yield* Effect.forkChild(events.publish(yield* Ping.event({}), { unroutable: "ignore" }))
      yield* eventually(
        "it is in flight",
        Effect.map(events.health, ({ details }) => details["unconfirmed"] === 1)
      )
      yield* proxy.heal
      yield* proxy.cut
      yield* Fiber.join(publishing)
    })
  )

  it.live("settles nothing that the broker has taken back", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const events = yield* bus()
      const subscription = Subscription.make(queue("work", [10]), { patterns: ["ping.*"], concurrency: 10 })
      const taken = yield* Queue.unbounded<DecodedDelivery.Settleable>()
      yield* Stream.runForEach(events.stream(subscription), (delivered) => Queue.offer(taken, delivered)).pipe(
        Effect.forkScoped
      )
      yield* eventually(
        "it is consumed",
        Effect.map(events.health, ({ details }) => details["consumers"] === 1)
      )
      const ids = [yield* publish(events)]
      const stale = yield* Queue.take(taken)
      yield* node.ctl("close_all_connections", "a test")
      // On the new channel, the number of the old delivery means another event.
      ids.push(yield* publish(events))
      yield* Queue.takeN(taken, 2)

      const before = yield* staleSettlements
      for (const settlement of [
        Settlement.deadLetter(),
        Settlement.retry("10 millis"),
        Settlement.requeue,
        Settlement.ack
      ]) {
        yield* stale.settle(settlement)
      }
      assert.strictEqual((yield* staleSettlements) - before, 4)

      yield* node.ctl("close_all_connections", "a test")
      const again = yield* Queue.takeN(taken, 2)
      assert.sameMembers(
        again.map(({ event }) => event.eventId),
        ids
      )
      yield* Effect.forEach(again, ({ settle }) => settle(Settlement.ack))
      const dead = yield* events.queueInfo(`dlq.${subscription.name}`)
      assert.strictEqual(Option.isSome(dead) && dead.value.messages, 0)
    })
  )

  describe.concurrent("from a peer that is silently gone", () => {
    it.live("notices it by its heartbeat, and says so before", () =>
      Effect.gen(function* () {
        const { exchange, queue } = yield* rig()
        const proxy = yield* Proxy.to(node.port)
        const url = Redacted.make(`amqp://guest:guest@127.0.0.1:${proxy.port}`)
        const events = yield* Rig.bus({ url, exchange, heartbeat: "1 second", connectionTimeout: "30 seconds" })
        const handled = yield* Rig.collect(events, queue("work"))
        yield* proxy.swallow
        const [health, millis] = yield* timed(events.health)
        assert.strictEqual(health.status, "unhealthy")
        // The broker has a second or two to answer, and not as long as a connection may take.
        assert.isBelow(millis, 29_000)
        yield* proxy.heal
        yield* becomes(events, "healthy")
        const id = yield* publish(events)
        assert.strictEqual(yield* Queue.take(handled), id)
      })
    )

    it.live("ends within seconds", () =>
      Effect.gen(function* () {
        const { exchange, queue } = yield* rig()
        const proxy = yield* Proxy.to(node.port)
        const url = Redacted.make(`amqp://guest:guest@127.0.0.1:${proxy.port}`)
        const scope = yield* Scope.make()
        // A heartbeat would notice it long after its test has failed.
        const events = yield* Scope.provide(Rig.bus({ url, exchange, heartbeat: "1 hour" }), scope)
        yield* Scope.provide(Rig.collect(events, queue("work")), scope)
        yield* proxy.swallow
        yield* Scope.close(scope, Exit.void)
      })
    )
  })
})
