import { setImmediate } from "node:timers"
import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import { assert, describe, inject, it } from "@effect/vitest"
import type { Channel } from "amqplib"
import { Deferred, Effect, Exit, Fiber, Latch, Metric, Queue, Redacted, References, Scope } from "effect"
import { EventType, Handler, Subscription } from "effect-eventbus"
import * as AmqpConnection from "../../packages/amqp/src/AmqpConnection.ts"
import * as AmqpChannel from "../../packages/amqp/src/internal/AmqpChannel.ts"
import { readings } from "../../packages/testing/src/contract/Readings.ts"
import * as Rig from "./support/Rig.ts"

const Ping = EventType.untyped("ping")

const nextTurn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** A connection that opens channels, and does something so many microtasks after it has. */
const fake = (moment: number, then: () => void) => {
  const count = { opened: 0, closed: 0 }
  const after = (n: number): void => (n === 0 ? then() : queueMicrotask(() => after(n - 1)))
  const channel = { on: () => channel, close: async () => void count.closed++ }
  const createChannel = () =>
    new Promise<Channel>((resolve) =>
      setImmediate(() => {
        count.opened++
        resolve(Object.assign(Object.create(null), channel))
        after(moment)
      })
    )
  const live: AmqpConnection.Live = {
    settings: AmqpOptions.settings({ connectionTimeout: 1000 }),
    model: Object.assign(Object.create(null), { createChannel }),
    address: "h:1",
    version: "3.10.8",
    lost: Deferred.makeUnsafe(),
    frameRoom: 131_064,
    error: undefined,
    blocked: undefined,
    blocking: Latch.makeUnsafe(false)
  }
  return { live, count }
}

describe("Channels", () => {
  for (const [what, use] of [
    ["stays", (live: AmqpConnection.Live) => Effect.andThen(AmqpChannel.open(live), Effect.never)],
    ["is only asked", (live: AmqpConnection.Live) => AmqpChannel.throwaway(live, () => Effect.never)]
  ] as const) {
    it.live(`are closed whenever an interruption comes: one that ${what}`, () =>
      Effect.gen(function* () {
        for (let moment = 0; moment < 12; moment++) {
          const { count, live } = fake(moment, () => fiber.interruptUnsafe())
          const fiber = Effect.runFork(Effect.scoped(use(live)))
          yield* Fiber.await(fiber)
          yield* nextTurn
          assert.deepStrictEqual(count, { opened: 1, closed: 1 }, `${moment} microtasks after the answer`)
        }
      })
    )
  }

  it.live("that come too late to be used are closed", () =>
    Effect.gen(function* () {
      const { count, live } = fake(0, () => {})
      const fiber = Effect.runFork(Effect.scoped(AmqpChannel.open(live)))
      yield* Fiber.interrupt(fiber)
      yield* nextTurn
      assert.deepStrictEqual(count, { opened: 1, closed: 1 })
    })
  )
})

const url = inject("rabbitUrl") ?? ""

describe.skipIf(inject("rabbitUrl") === null).concurrent("A connection", () => {
  it.live("is closed whenever an interruption comes", () =>
    Effect.gen(function* () {
      const { settings } = yield* Rig.make(url, "interrupted")
      const open = Effect.map(readings, (all) => all['eventbus_connections{role="consume"}'] ?? 0)
      for (let turns = 0; turns < 10; turns++) {
        const scope = yield* Scope.make()
        const connecting = yield* Effect.forkChild(
          Scope.provide(AmqpConnection.make(settings(), "consume"), scope).pipe(
            Effect.provideService(References.MaxOpsBeforeYield, 3)
          )
        )
        while ((yield* open) === 0) yield* nextTurn
        for (let turn = 0; turn < turns; turn++) yield* nextTurn
        yield* Fiber.interrupt(connecting)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* open, 0, `${turns} turns after it is up`)
      }
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.live("keeps a channel for what is asked, and says when it has none left for a consumer", () =>
    Effect.gen(function* () {
      const { bus, queue } = yield* Rig.make(url, "channels")
      const { health, publish, queueInfo, subscribe } = yield* bus({ url: Redacted.make(`${url}?channel_max=5`) })
      const handled = yield* Queue.unbounded<string>()
      const handler = (name: string) =>
        Handler.make(Subscription.make(queue(name), { events: [Ping], temporary: true }), () =>
          Queue.offer(handled, name)
        )
      const names = ["one", "two", "three", "four"]
      for (const name of names) yield* subscribe(handler(name))
      const error = yield* Effect.flip(subscribe(handler("five")))
      assert.isTrue(error.isRetryable)
      assert.match(error.message, /no channel is left of the 5 .*channel_max/)
      assert.notInclude(error.message, "No connection")

      const both = yield* Effect.all([health, queueInfo(queue("one")), queueInfo(queue("two"))], { concurrency: 3 })
      assert.deepInclude(both[0], { status: "healthy", connected: true })
      yield* publish(yield* Ping.event({}))
      assert.sameMembers(yield* Queue.takeN(handled, 4), names)

      // A channel that is free again is there for the next.
      yield* Effect.scoped(
        Effect.gen(function* () {
          const other = yield* bus({ url: Redacted.make(`${url}?channel_max=5`) })
          const others = ["six", "seven", "eight", "nine"]
          yield* Effect.scoped(Effect.forEach(others, (name) => other.subscribe(handler(name))))
          yield* other.subscribe(handler("ten"))
        })
      )
    })
  )
})
