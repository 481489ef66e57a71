import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Metric, Option, Redacted, Schedule } from "effect"
import type { Scope } from "effect"
import { FailurePolicy, Handler, Subscription } from "effect-eventbus"
import type { BrokerError, EventBus, PublishError } from "effect-eventbus"
import { readings } from "../../packages/testing/src/contract/Readings.ts"
import { type Breach, eventually } from "../support/eventually.ts"
import { maxMessageSize } from "../support/maxMessageSize.ts"
import * as Node from "./support/OwnNode.ts"
import * as Rig from "./support/Rig.ts"

const { Ping } = Rig

type Bus = EventBus.EventBus["Service"]

/** `published`, or why not. */
const outcome = <R>(publish: Effect.Effect<void, PublishError.PublishError, R>) =>
  Effect.match(publish, { onSuccess: () => "published", onFailure: ({ reason }) => reason._tag })

const publish = (bus: Bus, routingKey = "ping.normal", text = "") =>
  Effect.flatMap(Ping.event({ text }), (event) => outcome(bus.publish(event, { routingKey })))

const times = (count: number, what: string) => Array.from({ length: count }, () => what)

describe.skipIf(!Node.isPossible)("Refusals", () => {
  const node = Node.ownNode()
  const rig = () => Rig.make(node.url, "refusals")

  /** A bus of a user of its own, and what another one sees of all that it publishes. */
  const limited = Effect.fnUntraced(function* (own: Rig.Rig) {
    const { exchange } = own
    yield* node.ctl("add_user", exchange, "limited")
    yield* node.ctl("set_permissions", exchange, ".*", ".*", ".*")
    const permit = (topics: string) => node.ctl("set_topic_permissions", exchange, exchange, topics, ".*")
    const copies = new Map<string, number>()
    const count = Handler.make(Subscription.make(own.queue("seen"), { patterns: ["#"], concurrency: 50 }), (event) =>
      Effect.sync(() => copies.set(event.eventId, (copies.get(event.eventId) ?? 0) + 1))
    )
    yield* Effect.flatMap(own.bus(), ({ subscribe }) => subscribe(count))
    // RabbitMQ 4.3 wants the exchange to be there.
    yield* permit("^ping")
    const url = Redacted.make(`amqp://${exchange}:limited@127.0.0.1:${node.port}`)
    return {
      permit,
      copies,
      // What is refused is told before that, or its test would fail.
      bus: own.bus({ url, publishTimeout: "1 hour" }),
      /** All that was published is there, once. */
      once: (events: number): Effect.Effect<void, Breach> =>
        Effect.andThen(
          eventually(
            `${events} events are handled`,
            Effect.sync(() => copies.size >= events)
          ),
          Effect.sync(() => assert.deepStrictEqual([...copies.values()], Array(events).fill(1)))
        )
    }
  })

  it.live("costs those in flight beside it nothing, not even a copy", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const { bus, once } = yield* limited(own)
      const events = yield* bus
      const keys = [...times(300, "ping.normal"), "secret.a", ...times(5, "ping.normal")]
      const outcomes = yield* Effect.forEach(keys, (key) => publish(events, key), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        outcomes,
        keys.map((key) => (key === "secret.a" ? "NotPermitted" : "published"))
      )
      yield* once(305)
    })
  )

  it.live("is told at once, and so is the other one that is refused with it", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const { bus, once } = yield* limited(own)
      const events = yield* bus
      const keys = ["ping.low", "secret.a", "secret.b", "secret.a", "ping.low", "ping.high"]
      const outcomes = yield* Effect.forEach(keys, (key) => publish(events, key), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        outcomes,
        keys.map((key) => (key.startsWith("ping") ? "published" : "NotPermitted"))
      )
      yield* once(3)
    })
  )

  it.live("costs its neighbours nothing, as often as it is tried", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const { bus, once } = yield* limited(own)
      const events = yield* bus
      const trying = yield* Effect.forkChild(
        Effect.forEach(times(10, "secret.a"), (key) => Effect.delay(publish(events, key), "100 millis"))
      )
      let published = 0
      const lane = Effect.gen(function* () {
        while (trying.pollUnsafe() === undefined) {
          assert.strictEqual(yield* publish(events), "published")
          published += 1
        }
      })
      yield* Effect.all(
        Array.from({ length: 50 }, () => lane),
        { concurrency: "unbounded", discard: true }
      )
      assert.deepStrictEqual(yield* Fiber.join(trying), times(10, "NotPermitted"))
      yield* once(published)
    })
  )

  it.live("is no longer refused when the user may publish there", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const { bus, once, permit } = yield* limited(own)
      const events = yield* bus
      assert.strictEqual(yield* publish(events, "secret.a"), "NotPermitted")
      yield* permit(".*")
      assert.strictEqual(yield* publish(events, "secret.a"), "published")
      yield* once(1)
    })
  )

  it.live("is a Timeout where a sending before may have landed", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const { bus, permit } = yield* limited(own)
      const events = yield* bus
      yield* publish(events)
      const stuck = own.queue("stuck")
      const { run } = yield* own.raw
      yield* run((channel) => channel.assertQueue(stuck, { arguments: { "x-queue-type": "classic" } }))
      yield* run((channel) => channel.bindQueue(stuck, own.exchange, "ping.*"))
      const eval_ = (call: string) =>
        node.ctl(
          "eval",
          `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${stuck}">>)), sys:${call}(amqqueue:get_pid(Q)).`
        )
      yield* eval_("suspend")
      yield* Effect.addFinalizer(() => eval_("resume"))
      const publishing = yield* Effect.forkChild(
        Effect.flip(Effect.flatMap(Ping.event({}), (event) => events.publish(event))),
        { startImmediately: true }
      )
      yield* permit("^nothing$")
      yield* node.ctl("close_all_connections", "a test")
      const { reason } = yield* Fiber.join(publishing)
      assert.strictEqual(reason._tag, "Timeout", reason.message)
      assert.match(reason.message, /lost with its channel \(then: not permitted: .*access to topic.*may or may not/s)
    })
  )

  it.live("by its size is told, and costs its neighbours no copy", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      yield* maxMessageSize(node.ctl, 1000)
      const { bus, once } = yield* limited(own)
      const events = yield* bus
      const texts = Array.from({ length: 60 }, (_, i) => "x".repeat(i % 20 === 7 ? 2000 : 1))
      const outcomes = yield* Effect.forEach(texts, (text) => publish(events, "ping.normal", text), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        outcomes,
        texts.map(({ length }) => (length === 1 ? "published" : "TooLarge"))
      )
      yield* once(57)
    })
  )

  it.live("of a dead letter is no matter of what is published, and is settled when it may be", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const { exchange } = own
      const work = own.queue("work")
      const { bus, once, permit } = yield* limited(own)
      yield* permit(".*")
      const declared = Handler.make(Subscription.make(work, { patterns: ["fails.*"] }), () => Effect.fail("no")).pipe(
        Handler.onFailure(FailurePolicy.deadLetter)
      )
      // Who declares may write to all that is bound; who only publishes and consumes may not write to the dead letters.
      yield* Effect.scoped(Effect.flatMap(own.bus(), ({ subscribe }) => subscribe(declared)))
      yield* node.ctl("set_permissions", exchange, ".*", `^(?!.*_dlx$).*`, ".*")
      const events = yield* bus
      yield* events.subscribe(declared)
      const refused = yield* Deferred.make<void>()
      const stalls = eventually(
        "the dead letter is refused",
        Effect.map(events.health, ({ details }) => /not permitted/.test(String(details["settling"])))
      )
      yield* Effect.forkChild(Effect.andThen(stalls, Deferred.succeed(refused, undefined)))
      assert.strictEqual(yield* publish(events, "fails.normal"), "published")
      let published = 1
      const isRefused = yield* Effect.forkChild(Deferred.await(refused))
      const lane = Effect.gen(function* () {
        for (let i = 0; i < 20 || isRefused.pollUnsafe() === undefined; i++) {
          assert.strictEqual(yield* publish(events), "published")
          published += 1
        }
      })
      yield* Effect.all([lane, lane, lane, lane, lane], { concurrency: "unbounded", discard: true })
      yield* once(published)

      yield* node.ctl("set_permissions", exchange, ".*", ".*", ".*")
      yield* eventually(
        "the dead letter is there",
        Effect.map(events.queueInfo(`dlq.${work}`), (info) => Option.isSome(info) && info.value.messages === 1)
      )
    })
  )
})

describe.skipIf(!Node.isPossible)("Small frames", () => {
  const node = Node.ownNode({ frame_max: 8192 })

  const fails = (own: Rig.Rig, policy: FailurePolicy.FailurePolicy<never>, seen: () => Effect.Effect<unknown>) =>
    Handler.make(Subscription.make(own.queue("work", [10]), { patterns: ["ping.*"] }), () =>
      Effect.suspend(() => {
        const error = new Error("✓".repeat(4000))
        error.stack = `Error\n${"    at someFunction (/app/src/some/file.ts:1:1)\n".repeat(300)}`
        return Effect.andThen(seen(), Effect.die(error))
      })
    ).pipe(Handler.onFailure(policy))

  const whole = (events: Bus): Effect.Effect<void, BrokerError.BrokerError | PublishError.PublishError, Scope.Scope> =>
    Effect.gen(function* () {
      assert.strictEqual(yield* publish(events, "pong.normal"), "published")
      assert.strictEqual((yield* events.health).status, "healthy")
      assert.strictEqual((yield* readings)['eventbus_reconnects_total{role="publish"}'], 0)
    })

  it.live("keep a dead letter with as much of its stack as there is room for", () =>
    Effect.gen(function* () {
      const own = yield* Rig.make(node.url, "frames")
      const events = yield* own.bus()
      yield* events.subscribe(fails(own, FailurePolicy.deadLetter, () => Effect.void))
      assert.strictEqual(yield* publish(events), "published")
      const { take } = yield* own.raw
      const { properties } = yield* take(`dlq.${own.exchange}.work`)
      const { "eb-message": message, "eb-stack": stack } = properties.headers ?? {}
      assert.isAbove(String(message).length, 500)
      assert.isAbove(String(stack).length, 1000)
      yield* whole(events)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.live("keep a retry, too", () =>
    Effect.gen(function* () {
      const own = yield* Rig.make(node.url, "frames")
      const events = yield* own.bus()
      const again = yield* Deferred.make<void>()
      let attempts = 0
      const seen = () => (++attempts === 2 ? Deferred.succeed(again, undefined) : Effect.void)
      yield* events.subscribe(
        fails(own, FailurePolicy.retry(Schedule.spaced(10).pipe(Schedule.upTo({ times: 1 }))), seen)
      )
      assert.strictEqual(yield* publish(events), "published")
      yield* Deferred.await(again)
      yield* whole(events)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
