import { AmqpConnection, type AmqpOptions, AmqpProbe } from "@effect-eventbus/amqp"
import { assert, describe, inject, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import * as OwnNode from "./support/OwnNode.ts"
import * as Rig from "./support/Rig.ts"

const url = inject("rabbitUrl") ?? ""

const connected = (settings: AmqpOptions.Settings, role: "publish" | "consume" = "consume") =>
  Effect.flatMap(AmqpConnection.make(settings, role), ({ live }) => live)

const outcomes = (permissions: ReadonlyArray<AmqpProbe.Permission>) =>
  permissions.map(({ operation, outcome }) => `${operation}: ${outcome}`)

describe.skipIf(url === "")("AmqpProbe on RabbitMQ", () => {
  const rig = Rig.make(url, "probe")

  it.live("tells what is permitted, and takes, adds and leaves nothing", () =>
    Effect.gen(function* () {
      const { bus, queue, raw, settings } = yield* rig
      const name = queue("work")
      const subscription = Subscription.make(name, { patterns: ["#"] })
      yield* Effect.scoped(
        Effect.flatMap(bus(), ({ subscribe }) => subscribe(Handler.make(subscription, () => Effect.void)))
      )
      const events = yield* bus()
      yield* events.publishAll([yield* Rig.Ping.event({}), yield* Rig.Ping.event({})])

      const live = yield* connected(settings())
      const publishing = yield* AmqpProbe.publishing(yield* connected(settings(), "publish"))
      assert.deepStrictEqual(outcomes(publishing), ["publish events: granted", "retry and dead-letter events: granted"])
      const subscribing = yield* AmqpProbe.subscribing(live, [subscription])
      assert.deepStrictEqual(outcomes(subscribing), [
        `consume "${name}": granted`,
        `bind "${name}": granted`,
        `retry events of "${name}": granted`,
        `bind "dlq.${name}": granted`
      ])
      for (const [queue, messages] of [
        [name, 2],
        [`dlq.${name}`, 0]
      ] as const) {
        assert.deepStrictEqual(yield* events.queueInfo(queue), Option.some({ name: queue, messages, consumers: 0 }))
      }
      const { take } = yield* raw
      for (const _ of [1, 2]) assert.isFalse((yield* take(name)).fields.redelivered)
    })
  )

  it.live("tells nothing of what is not there, but whether it may be bound", () =>
    Effect.gen(function* () {
      const { queue, settings } = yield* rig
      const name = queue("work")
      const live = yield* connected(settings())
      const subscription = Subscription.make(name, { patterns: ["#"], guarantee: "at-most-once" })
      assert.deepStrictEqual(outcomes(yield* AmqpProbe.publishing(live)), [
        "publish events: untold",
        "retry and dead-letter events: untold"
      ])
      assert.deepStrictEqual(outcomes(yield* AmqpProbe.subscribing(live, [subscription])), [
        `consume "${name}": untold`,
        `bind "${name}": granted`,
        `retry events of "${name}": untold`
      ])
    })
  )

  it.live("tells how far the broker's clock is from ours, to the second", () =>
    Effect.gen(function* () {
      const { bus, settings } = yield* rig
      yield* bus()
      const { least, most } = yield* AmqpProbe.clock(yield* connected(settings(), "publish"))
      // The broker may run on another machine, whose clock is looked after.
      assert.isAbove(most, least)
      assert.isAtMost(Math.abs(most), 60_000)
    })
  )
})

describe.skipIf(!OwnNode.isPossible)("AmqpProbe on a node of its own", () => {
  const node = OwnNode.ownNode()

  it.live(
    "tells what is denied, of each thing that the bus does",
    () =>
      Effect.gen(function* () {
        const own = yield* Rig.make(node.url, "denied")
        const name = own.queue("work")
        const subscription = Subscription.make(name, { patterns: ["#"] })
        yield* Effect.scoped(
          Effect.flatMap(own.bus(), ({ subscribe }) => subscribe(Handler.make(subscription, () => Effect.void)))
        )
        const user = own.exchange
        yield* node.ctl("add_user", user, "hush")
        const as = (configure: string, write: string, read: string) =>
          Effect.gen(function* () {
            yield* node.ctl("set_permissions", user, configure, write, read)
            const limited = new URL(node.url)
            limited.username = user
            limited.password = "hush"
            const settings = own.settings({ url: Redacted.make(limited.href) })
            const live = yield* connected(settings)
            return outcomes([
              ...(yield* AmqpProbe.publishing(live)),
              ...(yield* AmqpProbe.subscribing(live, [subscription]))
            ])
          }).pipe(Effect.scoped)

        const operations = [
          "publish events",
          "retry and dead-letter events",
          `consume "${name}"`,
          `bind "${name}"`,
          `retry events of "${name}"`,
          `bind "dlq.${name}"`
        ]
        const all = (...granted: ReadonlyArray<number>) =>
          operations.map((operation, i) => `${operation}: ${granted.includes(i) ? "granted" : "denied"}`)
        const quoted = (text: string) => text.replaceAll(".", "\\.")
        assert.deepStrictEqual(yield* as("^$", "^$", "^$"), all())
        assert.deepStrictEqual(yield* as("^$", `^${own.exchange}$`, `^${quoted(name)}$`), all(0, 2))
        assert.deepStrictEqual(yield* as("^wait", "^wait|_dlx$|^dlq", "^wait|_dlx$"), all(1, 4, 5))
        assert.deepStrictEqual(yield* as(".*", ".*", ".*"), all(0, 1, 2, 3, 4, 5))
        assert.notInclude(yield* node.ctl("list_queues", "name"), "doctor")
      }),
    300_000
  )

  it.live("does not hear from a broker with an alarm, and knows that it is one", () =>
    Effect.gen(function* () {
      const { bus, settings } = yield* Rig.make(node.url, "alarm")
      yield* bus()
      const hasty = settings({ connectionTimeout: "6 seconds" })
      const live = yield* connected(hasty, "publish")
      yield* node.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
      const [error, blocked] = yield* Effect.flip(AmqpProbe.publishing(live)).pipe(
        Effect.map((error) => [error._tag, live.blocked]),
        Effect.ensuring(node.ctl("set_vm_memory_high_watermark", "absolute", "4GB"))
      )
      assert.strictEqual(error, "TimedOut")
      assert.isDefined(blocked)
    })
  )
})
