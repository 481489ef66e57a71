import { Diagnosis } from "@effect-eventbus/inspect"
import { assert, describe, inject, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Latch, Option, Redacted, Stream } from "effect"
import { Subscription } from "effect-eventbus"
import { ConnectionFailed, Refused, type Reason } from "effect-eventbus/BrokerError"
import { TestClock } from "effect/testing"
import type * as AmqpConnection from "../../packages/amqp/src/AmqpConnection.ts"
import * as AmqpOptions from "../../packages/amqp/src/AmqpOptions.ts"
import * as AmqpHealth from "../../packages/amqp/src/internal/AmqpHealth.ts"
import { eventually } from "../support/eventually.ts"
import * as Node from "./support/OwnNode.ts"
import * as Rig from "./support/Rig.ts"

const url = inject("rabbitUrl") ?? ""

const settings = AmqpOptions.settings({})

/** A broker's connections as they look to those who ask how it is. */
const connection: AmqpConnection.AmqpConnection = {
  settings,
  address: "h:1",
  up: Effect.never,
  live: Effect.never,
  current: () => ({
    settings,
    model: Object.create(null),
    address: "h:1",
    version: "3.10.8",
    lost: Deferred.makeUnsafe(),
    frameRoom: 131_064,
    error: undefined,
    blocked: undefined,
    blocking: Latch.makeUnsafe(false)
  }),
  trouble: () => "",
  onBlocked: new Set()
}

const healthOf = (ask: Effect.Effect<never, Reason>) =>
  Effect.flatten(
    AmqpHealth.make({
      publishing: connection,
      publishers: [{ publish: () => Effect.never, unconfirmed: () => 0, isAttached: () => true }],
      consuming: connection,
      consumers: new Map(),
      alarm: { ask: Effect.void },
      ask: () => ask
    })
  )

describe("Health, where a broker does not do what it is asked", () => {
  it.effect("is known within two seconds, whatever the broker takes for a goodbye", () =>
    Effect.gen(function* () {
      const slow = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 minute"))
      const asked = yield* Effect.forkChild(healthOf(slow), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(asked), { status: "unhealthy", connected: false })
      yield* TestClock.adjust("1 minute")
    })
  )

  it.effect("is not that of a connection which is lost, as long as the broker answers", () =>
    Effect.gen(function* () {
      const reason = { operation: "open a channel", detail: "no channel is left" }
      const refused = yield* healthOf(Effect.fail(new Refused(reason)))
      assert.deepInclude(refused, { status: "degraded", connected: true })
      assert.deepInclude(refused.details, { consuming: "connected", topology: "not known" })
      const lost = yield* healthOf(Effect.fail(new ConnectionFailed({ address: "h:1", detail: "closed" })))
      assert.deepInclude(lost, { status: "unhealthy", connected: false })
    })
  )
})

describe.skipIf(inject("rabbitUrl") === null).concurrent("Health", () => {
  it.live("is degraded while dead letters have no queue, and says which", () =>
    Effect.gen(function* () {
      const { bus, queue, raw } = yield* Rig.make(url, "health")
      const events = yield* bus()
      const work = queue("work")
      yield* Rig.collect(events, work)
      const { run } = yield* raw
      const before = yield* events.health
      assert.deepInclude(before, { status: "healthy" })
      assert.strictEqual(before.details["topology"], "in place")

      yield* run((channel) => channel.deleteQueue(`dlq.${work}`))
      const says = (topology: string, status: string) =>
        eventually(
          `it says "${topology}"`,
          Effect.map(events.health, (now) => now.details["topology"] === topology && now.status === status)
        )
      yield* says(`lacks queue dlq.${work}`, "degraded")

      // Another of the same subscription declares it again.
      yield* Rig.collect(events, work)
      yield* says("in place", "healthy")
    })
  )

  it.live("is degraded without the exchange of dead letters", () =>
    Effect.gen(function* () {
      const { bus, deadLetterExchange, raw } = yield* Rig.make(url, "health")
      const events = yield* bus()
      const { run } = yield* raw
      yield* run((channel) => channel.deleteExchange(deadLetterExchange))
      const { details, status } = yield* events.health
      assert.strictEqual(status, "degraded")
      assert.strictEqual(details["topology"], `lacks exchange ${deadLetterExchange}`)
    })
  )
})

describe.skipIf(!Node.isPossible)("Health, on a node of its own", () => {
  const node = Node.ownNode()

  it.live("tells of an alarm, although nothing is published", () =>
    Effect.gen(function* () {
      const { bus } = yield* Rig.make(node.url, "health")
      const events = yield* bus()
      assert.deepInclude(yield* events.health, { status: "healthy" })
      const watermark = (value: string) => node.ctl("set_vm_memory_high_watermark", "absolute", value)
      yield* Effect.acquireRelease(watermark("1MB"), () => watermark("4GB"))
      yield* eventually(
        "it says that publishing is blocked",
        Effect.map(
          events.health,
          ({ details, status }) => status === "degraded" && /^blocked: .*memory/.test(String(details["publishing"]))
        )
      )
    })
  )

  it.live("is good for a user who may only publish, although nothing can be published to no queue", () =>
    Effect.gen(function* () {
      const { bus, exchange } = yield* Rig.make(node.url, "health")
      yield* bus()
      yield* node.ctl("add_user", exchange, "limited")
      yield* node.ctl("set_permissions", exchange, "^$", `^${exchange}$`, "^$")
      const own = Redacted.make(`amqp://${exchange}:limited@127.0.0.1:${node.port}`)
      const events = yield* bus({ url: own, topology: "verify" })
      for (let i = 0; i < 3; i++) {
        const { details, status } = yield* events.health
        assert.deepStrictEqual([status, details["topology"]], ["healthy", "in place"])
        yield* events.publish(yield* Rig.Ping.event({}))
      }
    })
  )

  it.live("is good for a user who may only consume what others declare", () =>
    Effect.gen(function* () {
      const { bus, exchange, queue } = yield* Rig.make(node.url, "health")
      const work = queue("work")
      const declaring = yield* bus()
      yield* Rig.collect(declaring, work)
      yield* node.ctl("add_user", exchange, "limited")
      yield* node.ctl("set_permissions", exchange, "^$", `^${exchange}_dlx$`, `^${work}$`)
      const url = Redacted.make(`amqp://${exchange}:limited@127.0.0.1:${node.port}`)
      const events = yield* bus({ url, topology: "verify" })
      yield* Rig.collect(events, work)
      const { details, status } = yield* events.health
      assert.deepStrictEqual([status, details["topology"]], ["healthy", "in place"])

      const settings = AmqpOptions.settings({ url, exchange, topology: "verify" })
      const queues = [Subscription.make(work, { patterns: ["ping.*"] })]
      const checks = yield* Stream.runCollect(Diagnosis.run({ settings, queues, management: Option.none() }))
      const failed = checks.flatMap(({ check, detail, status }) => (status === "fail" ? `${check} ${detail}` : []))
      assert.deepStrictEqual(failed, [
        `permission publish events: denied to "${exchange}"`,
        `permission retry events of "${work}": denied to "${exchange}"`
      ])
    })
  )
})
