import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Metric, Queue, Redacted, Result } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import type { PublishError } from "effect-eventbus"
import { readings } from "../../packages/testing/src/contract/Readings.ts"
import { eventually } from "../support/eventually.ts"
import { maxMessageSize } from "../support/maxMessageSize.ts"
import * as Node from "./support/OwnNode.ts"
import * as Rig from "./support/Rig.ts"

const { Ping } = Rig

/** `published`, or why not. */
const outcome = <R>(publish: Effect.Effect<void, PublishError.PublishError, R>) =>
  Effect.match(publish, { onSuccess: () => "published", onFailure: ({ reason }) => reason._tag })

const pad = (length: number) => ({ text: "x".repeat(length) })

describe.skipIf(!Node.isPossible)("Publisher", () => {
  const node = Node.ownNode()
  const rig = () => Rig.make(node.url, "publisher")

  it.live("tells of many in flight which ones no queue wanted", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const events = yield* bus()
      yield* Rig.collect(events, queue("work"))
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? "nowhere" : "ping.normal")),
        Effect.fnUntraced(function* (routingKey) {
          const publish = events.publish(yield* Ping.event({}), { routingKey, unroutable: "fail" })
          return [routingKey, yield* outcome(publish)] as const
        }),
        { concurrency: "unbounded" }
      )
      const expected = { nowhere: "Unroutable", "ping.normal": "published" }
      for (const [key, outcome] of outcomes) assert.strictEqual(outcome, expected[key])
    })
  )

  it.live("tells two publishes of one event under two keys each its own truth", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const events = yield* bus()
      const handled = yield* Rig.collect(events, queue("work"))
      for (const keys of [
        ["ping.normal", "nowhere"],
        ["nowhere", "ping.normal"]
      ]) {
        const event = yield* Ping.event({})
        const outcomes = yield* Effect.forEach(
          keys,
          (routingKey) => outcome(events.publish(event, { routingKey, unroutable: "fail" })),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          outcomes,
          keys.map((key) => (key === "nowhere" ? "Unroutable" : "published"))
        )
        assert.strictEqual(yield* Queue.take(handled), event.eventId)
      }
      assert.strictEqual(yield* Queue.size(handled), 0)
    })
  )

  it.live("is refused by a full queue, and its neighbour is not", () =>
    Effect.gen(function* () {
      const { bus, exchange, queue, raw } = yield* rig()
      const events = yield* bus()
      yield* Rig.collect(events, queue("other"), { pattern: "pong.*" })
      const full = queue("full")
      const { run } = yield* raw
      const args = { "x-queue-type": "classic", "x-max-length": 1, "x-overflow": "reject-publish" }
      yield* run((channel) => channel.assertQueue(full, { arguments: args }))
      yield* run((channel) => channel.bindQueue(full, exchange, "ping.*"))
      yield* events.publish(yield* Ping.event({}), { unroutable: "fail" })

      const [refused, neighbour] = yield* Effect.all(
        [
          Effect.flip(events.publish(yield* Ping.event({}))),
          outcome(events.publish(yield* Ping.event({}), { routingKey: "pong.normal", unroutable: "fail" }))
        ],
        { concurrency: "unbounded" }
      )
      assert.strictEqual(refused.reason._tag, "Nacked")
      assert.isTrue(refused.isRetryable)
      assert.strictEqual(neighbour, "published")
      assert.include(yield* readings, {
        eventbus_published_total: 3,
        eventbus_confirmed_total: 2,
        eventbus_nacked_total: 1
      })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  /** A queue that takes nothing and confirms nothing. */
  const stuckQueue = Effect.fnUntraced(function* (
    { exchange, queue, raw }: Pick<Rig.Rig, "exchange" | "queue" | "raw">,
    pattern: string
  ) {
    const stuck = queue("stuck")
    const { run } = yield* raw
    yield* run((channel) => channel.assertQueue(stuck, { arguments: { "x-queue-type": "classic" } }))
    yield* run((channel) => channel.bindQueue(stuck, exchange, pattern))
    const eval_ = (call: string) =>
      node.ctl(
        "eval",
        `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${stuck}">>)), sys:${call}(amqqueue:get_pid(Q)).`
      )
    yield* eval_("suspend")
    yield* Effect.addFinalizer(() => eval_("resume"))
  })

  it.live("is not held up, not even by a publish of the same event, where a queue does not confirm", () =>
    Effect.gen(function* () {
      const { bus, exchange, queue, raw } = yield* rig()
      // The other publish has as long as this.
      const events = yield* bus({ publishTimeout: "6 seconds" })
      const handled = yield* Rig.collect(events, queue("other"), { pattern: "pong.*" })
      yield* stuckQueue({ exchange, queue, raw }, "ping.*")
      const event = yield* Ping.event({})
      assert.strictEqual(yield* outcome(events.publish(event)), "Timeout")

      const again = yield* Effect.forkChild(outcome(events.publish(event)), { startImmediately: true })
      const other = yield* Ping.event({})
      yield* events.publish(other, { routingKey: "pong.normal" })
      assert.strictEqual(yield* Queue.take(handled), other.eventId)
      assert.strictEqual(yield* Fiber.join(again), "Timeout", "it is in flight, too")
    })
  )

  it.live("waits for room where as many bytes are in flight as may be", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const events = yield* own.bus({ publishTimeout: "1 second", maxInFlightBytes: 10_000 })
      yield* stuckQueue(own, "ping.*")
      // Too large for two of them.
      const outcomes = yield* Effect.forEach(
        [1, 2, 3],
        () => Effect.flatMap(Ping.event(pad(6000)), (event) => outcome(events.publish(event))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(outcomes, ["Timeout", "Blocked", "Blocked"])
      assert.strictEqual((yield* events.health).details["unconfirmed"], 1)
    })
  )

  it.live("goes on, on a new channel, where all that is in flight is never confirmed", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const events = yield* own.bus({ publishTimeout: "3 seconds", maxInFlight: 1 })
      yield* stuckQueue(own, "ping.*")
      const handled = yield* Rig.collect(events, own.queue("other"), { pattern: "pong.*" })
      assert.strictEqual(yield* outcome(Effect.flatMap(Ping.event({}), events.publish)), "Timeout")
      const other = yield* Ping.event({})
      const published = Effect.map(outcome(events.publish(other, { routingKey: "pong.normal" })), (outcome) => {
        assert.include(["Blocked", "Disconnected", "Timeout", "published"], outcome)
        return outcome === "published"
      })
      yield* eventually("the window is free again", published)
      assert.strictEqual(yield* Queue.take(handled), other.eventId)
    })
  )

  it.live("fails before it sends what is over the client's limit", () =>
    Effect.gen(function* () {
      const { bus } = yield* rig()
      const { publish } = yield* bus({ maxBodyBytes: 1000 })
      const { reason } = yield* Effect.flip(publish(yield* Ping.event(pad(1000))))
      assert.strictEqual(reason._tag === "TooLarge" && reason.limit, 1000)
      assert.isAbove(reason._tag === "TooLarge" ? reason.bytes : 0, 1000)
    })
  )

  it.live("tells what is over the broker's limit, and publishes its neighbours in flight all the same", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      yield* maxMessageSize(node.ctl, 1000)
      const events = yield* bus()
      const handled = yield* Rig.collect(events, queue("work"), { concurrency: 50 })
      const sent = yield* Effect.forEach(Array.from({ length: 60 }), (_, i) => Ping.event(pad(i % 20 === 7 ? 2000 : 1)))
      const results = yield* Effect.forEach(sent, (event) => Effect.result(events.publish(event)), {
        concurrency: "unbounded"
      })
      const seen = new Set<string>()
      for (const [i, result] of results.entries()) {
        if (i % 20 !== 7) {
          assert.isTrue(Result.isSuccess(result))
          while (!seen.has(sent[i]?.eventId ?? "")) seen.add(yield* Queue.take(handled))
          continue
        }
        const { reason } = yield* Effect.flip(Effect.fromResult(result))
        assert.deepInclude(reason, { _tag: "TooLarge", limit: 1000 })
      }
    })
  )

  it.live("declares its exchange again when it was deleted", () =>
    Effect.gen(function* () {
      const { bus, exchange, queue, raw } = yield* rig()
      const events = yield* bus()
      const { run } = yield* raw
      yield* run((channel) => channel.deleteExchange(exchange))
      const publishing = yield* Ping.event({})
      assert.strictEqual(yield* outcome(events.publish(publishing, { unroutable: "fail" })), "Unroutable")
      const handled = yield* Rig.collect(events, queue("work"))
      yield* events.publish(publishing, { unroutable: "fail" })
      assert.strictEqual(yield* Queue.take(handled), publishing.eventId)
    })
  )

  it.live("binds its queues again when the exchange was deleted under them", () =>
    Effect.gen(function* () {
      const { bus, exchange, queue, raw } = yield* rig()
      const events = yield* bus()
      const handled = yield* Rig.collect(events, queue("work"))
      yield* (yield* raw).run((channel) => channel.deleteExchange(exchange))
      const publishing = yield* Ping.event({})
      yield* events.publish(publishing, { unroutable: "fail" })
      assert.strictEqual(yield* Queue.take(handled), publishing.eventId)
    })
  )

  /** A bus of a user who may do everything, until a test says otherwise. */
  const limited = Effect.fnUntraced(function* ({ bus, exchange }: Rig.Rig) {
    yield* node.ctl("add_user", exchange, "limited")
    yield* node.ctl("set_permissions", exchange, ".*", ".*", ".*")
    return yield* bus({
      url: Redacted.make(`amqp://${exchange}:limited@127.0.0.1:${node.port}`),
      // What is refused is told before that, or its test would fail.
      publishTimeout: "1 hour"
    })
  })

  it.live("fails at once where the user may not write", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const events = yield* limited(own)
      yield* node.ctl("set_permissions", own.exchange, ".*", "_dlx$", ".*")
      const { isRetryable, reason } = yield* Effect.flip(events.publish(yield* Ping.event({})))
      assert.strictEqual(reason._tag, "NotPermitted", reason.message)
      assert.include(reason.message, own.exchange)
      assert.isFalse(isRetryable)

      yield* node.ctl("set_permissions", own.exchange, ".*", ".*", ".*")
      assert.strictEqual(yield* outcome(events.publish(yield* Ping.event({}))), "published")
    })
  )

  it.live("fails alone where the user may not write under its routing key", () =>
    Effect.gen(function* () {
      const own = yield* rig()
      const events = yield* limited(own)
      yield* Rig.collect(yield* own.bus(), own.queue("work"), { pattern: "#" })
      yield* node.ctl("set_topic_permissions", own.exchange, own.exchange, "^ping", ".*")
      const keys = Array.from({ length: 40 }, (_, i) => (i === 30 ? "secret.normal" : "ping.normal"))
      const outcomes = yield* Effect.forEach(
        keys,
        Effect.fnUntraced(function* (routingKey) {
          return yield* outcome(events.publish(yield* Ping.event({}), { routingKey, unroutable: "fail" }))
        }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        outcomes,
        keys.map((key) => (key === "ping.normal" ? "published" : "NotPermitted"))
      )
    })
  )

  it.live("is pushed back by a memory alarm, which consumers do not feel", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* rig()
      const watermark = (...value: ReadonlyArray<string>) => node.ctl("set_vm_memory_high_watermark", ...value)
      const clear = watermark("absolute", "4GB")
      const events = yield* bus({ publishTimeout: "6 seconds" })
      const patient = yield* bus({ publishTimeout: "1 hour" })
      const [work, open] = [queue("work"), yield* Deferred.make<void>()]
      const handler = Handler.make(Subscription.make(work, { patterns: ["ping.*"], concurrency: 5 }), () =>
        Deferred.await(open)
      )
      yield* events.subscribe(handler)
      yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.flatMap(Ping.event({}), events.publish))

      yield* watermark("absolute", "1MB")
      yield* Effect.addFinalizer(() => clear)
      // The broker tells those who publish, and takes what made it tell them.
      yield* eventually(
        "the bus says that it is blocked",
        Effect.gen(function* () {
          for (const { publish } of [events, patient])
            yield* outcome(publish(yield* Ping.event({}))).pipe(Effect.timeoutOption(100))
          const both = yield* Effect.all([events.health, patient.health])
          return both.every(
            ({ details, status }) => status === "degraded" && /^blocked: .*memory/.test(String(details["publishing"]))
          )
        })
      )
      const waiting = yield* Effect.forkChild(outcome(Effect.flatMap(Ping.event({}), patient.publish)))
      const error = yield* Effect.flip(events.publish(yield* Ping.event({})))
      assert.strictEqual(error.reason._tag, "Blocked", error.message)
      assert.match(error.message, /memory/)
      assert.include(yield* readings, {
        'eventbus_blocked{role="publish"}': 2,
        'eventbus_blocked{role="consume"}': 0,
        'eventbus_not_published_total{error_type="Blocked"}': 1
      })

      yield* Deferred.succeed(open, undefined)
      // An acknowledgement that the broker does not read would leave events in the queue.
      yield* eventually(
        "every event is acknowledged",
        Effect.map(node.ctl("list_queues", "name", "messages"), (list) =>
          list.split("\n").some((line) => line.split("\t").join() === `${work},0`)
        )
      )

      yield* clear
      assert.strictEqual(yield* Fiber.join(waiting), "published")
      assert.strictEqual(yield* outcome(events.publish(yield* Ping.event({}))), "published")
      assert.strictEqual((yield* events.health).status, "healthy")
      assert.strictEqual((yield* readings)['eventbus_blocked{role="publish"}'], 0)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
