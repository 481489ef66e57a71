import { assert, describe, inject, it } from "@effect/vitest"
import { Effect, Fiber, Queue, Redacted } from "effect"
import { Handler, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"
import { stalled } from "../../packages/amqp/src/internal/stalled.ts"
import { FrameProxy } from "../lab/proxy/FrameProxy.ts"
import * as Lines from "./support/Lines.ts"
import * as Rig from "./support/Rig.ts"

const { Ping } = Rig
const url = inject("rabbitUrl") ?? ""

/** A consumer whose state a test sets, and the fiber that watches it. */
const watch = (state: { received: number; isBusy: boolean; waiting: number }) => {
  let looks = 0
  const waiting = Effect.sync(() => {
    looks += 1
    return state.waiting
  })
  const watched = { received: () => state.received, isBusy: () => state.isBusy, waiting }
  return Effect.map(Effect.forkChild(stalled(watched)), (fiber) => ({ fiber, looks: () => looks }))
}

describe("A consumer stalls", () => {
  it.effect("if it is free, messages wait, and none comes within 2 seconds", () =>
    Effect.gen(function* () {
      const { fiber } = yield* watch({ received: 5, isBusy: false, waiting: 3 })
      yield* TestClock.adjust("11 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), 3)
    })
  )

  for (const [why, state, looks] of [
    ["while it holds a message", { received: 1, isBusy: true, waiting: 3 }, 0],
    ["while nothing waits", { received: 1, isBusy: false, waiting: 0 }, 6]
  ] as const) {
    it.effect(`not ${why}`, () =>
      Effect.gen(function* () {
        const { fiber, looks: looked } = yield* watch({ ...state })
        yield* TestClock.adjust("1 minute")
        assert.isUndefined(fiber.pollUnsafe())
        assert.strictEqual(looked(), looks)
      })
    )
  }

  it.effect("not if a message came since the last look, or comes within the 2 seconds", () =>
    Effect.gen(function* () {
      const state = { received: 0, isBusy: false, waiting: 3 }
      const { fiber, looks } = yield* watch(state)
      yield* TestClock.adjust("9 seconds")
      state.received += 1
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(looks(), 0)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(looks(), 1)
      state.received += 1
      yield* TestClock.adjust("1 second")
      assert.isUndefined(fiber.pollUnsafe())
      assert.strictEqual(looks(), 1)
      state.waiting = 0
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(fiber.pollUnsafe())
    })
  )

  it.effect("not if all that waited is gone after the 2 seconds", () =>
    Effect.gen(function* () {
      const state = { received: 0, isBusy: false, waiting: 3 }
      const { fiber } = yield* watch(state)
      yield* TestClock.adjust("11 seconds")
      state.waiting = 0
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(fiber.pollUnsafe())
    })
  )
})

describe.skipIf(url === "").concurrent("A consumer whose deliveries are all lost on their way", () => {
  /** A bus whose connections lose their next deliveries, and the lines that it logs. */
  const lossy = (deliveries: number) =>
    Effect.gen(function* () {
      const rig = yield* Rig.make(url, "stalled")
      const there = new URL(url)
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(() => FrameProxy.open(Number(there.port || 5672))),
        ({ tcp }) => Effect.promise(() => tcp.close())
      )
      there.host = `127.0.0.1:${proxy.tcp.port}`
      proxy.lose(deliveries)
      return { ...rig, bus: yield* rig.bus({ url: Redacted.make(there.href) }) }
    })

  for (const [kind, options] of [
    ["a subscription", { concurrency: 3 }],
    ["one with ordered keys, in their order", { orderedBy: () => "key", concurrency: 3 }]
  ] as const) {
    it.live(`handles them all, for it consumes again: ${kind}`, () => {
      const { layer, lines } = Lines.collect()
      return Effect.gen(function* () {
        const handled = yield* Queue.unbounded<string>()
        const subscription = (queue: string) => Subscription.make(queue, { patterns: ["ping.*"], ...options })
        const prefetch = subscription("work").prefetch ?? 3
        const { bus, queue } = yield* lossy(prefetch)
        yield* bus.subscribe(Handler.make(subscription(queue("work")), ({ eventId }) => Queue.offer(handled, eventId)))
        const events = yield* Effect.forEach(Array.from({ length: prefetch + 2 }), () => Ping.event({}))
        yield* Effect.forEach(events, (event) => bus.publish(event), { discard: true })
        const ids = yield* Queue.takeN(handled, events.length)
        assert.sameMembers(
          [...ids],
          events.map(({ eventId }) => eventId)
        )
        if ("orderedBy" in options) {
          assert.deepStrictEqual(
            [...ids],
            events.map(({ eventId }) => eventId)
          )
        }
        const told = lines.filter((line) => line.includes("had stopped delivering: 2 messages wait"))
        assert.strictEqual(told.length, 1, lines.join("\n"))
      }).pipe(Effect.provide(layer))
    })
  }
})
