import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Slots } from "../../packages/flow/src/internal/Slots.ts"

/** Forks an effect that holds a slot until it is told to end, as a handler does. */
const hold = Effect.fnUntraced(function* (slots: Slots, log: Array<string>, name: string) {
  const end = Deferred.makeUnsafe<void>()
  const work = Effect.andThen(
    Effect.sync(() => log.push(name)),
    Deferred.await(end)
  )
  const fiber = yield* Effect.uninterruptibleMask((restore) => {
    const run = Effect.onExit(restore(work), () => slots.release() ?? Effect.void)
    if (slots.takeUnsafe()) return run
    return Effect.flatMap(slots.take(restore, "30 seconds"), (hasSlot) =>
      hasSlot ? run : Effect.sync(() => log.push(`${name} gave up`))
    )
  }).pipe(Effect.forkChild({ startImmediately: true }))
  return { fiber, end: Effect.andThen(Deferred.succeed(end, undefined), TestClock.adjust(0)) }
})

describe("Slots", () => {
  it.effect("go to those that wait in their order, and to no other before them", () =>
    Effect.gen(function* () {
      const slots = new Slots(1)
      const log: Array<string> = []
      const a = yield* hold(slots, log, "a")
      const b = yield* hold(slots, log, "b")
      const c = yield* hold(slots, log, "c")
      assert.deepStrictEqual(log, ["a"])
      // One that comes while the slot is handed on must not overtake.
      slots.resize(2)
      const d = yield* hold(slots, log, "d")
      yield* slots.resize(1) ?? Effect.void
      for (const { end } of [a, b, c, d]) yield* end
      assert.deepStrictEqual(log, ["a", "b", "c", "d"])
      assert.isTrue(slots.takeUnsafe())
      assert.isFalse(slots.takeUnsafe())
    })
  )

  it.effect("come back when one is interrupted, while it waits or holds one", () =>
    Effect.gen(function* () {
      const slots = new Slots(1)
      const log: Array<string> = []
      const a = yield* hold(slots, log, "a")
      const b = yield* hold(slots, log, "b")
      const c = yield* hold(slots, log, "c")
      yield* Fiber.interrupt(b.fiber)
      yield* Fiber.interrupt(a.fiber)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["a", "c"])
      yield* c.end
      assert.isTrue(slots.takeUnsafe())
    })
  )

  it.effect("come back when one is interrupted that has just been given one", () =>
    Effect.gen(function* () {
      const slots = new Slots(1)
      const log: Array<string> = []
      const a = yield* hold(slots, log, "a")
      const b = yield* hold(slots, log, "b")
      yield* Effect.all([a.end, Fiber.interrupt(b.fiber)], { concurrency: 2, discard: true })
      yield* TestClock.adjust(0)
      assert.isTrue(slots.takeUnsafe())
    })
  )

  it.effect("are given up after the time, and then count for others", () =>
    Effect.gen(function* () {
      const slots = new Slots(1)
      const log: Array<string> = []
      const a = yield* hold(slots, log, "a")
      yield* hold(slots, log, "b")
      yield* TestClock.adjust("29 seconds")
      const c = yield* hold(slots, log, "c")
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(log, ["a", "b gave up"])
      yield* a.end
      assert.deepStrictEqual(log, ["a", "b gave up", "c"])
      yield* c.end
      assert.isTrue(slots.takeUnsafe())
    })
  )

  it.effect("let as many go on as there are, when there are more of them or fewer", () =>
    Effect.gen(function* () {
      const slots = new Slots(1)
      const log: Array<string> = []
      const held = yield* Effect.forEach(["a", "b", "c", "d"], (name) => hold(slots, log, name))
      yield* slots.resize(3) ?? Effect.void
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["a", "b", "c"])
      yield* slots.resize(1) ?? Effect.void
      yield* held[0]?.end ?? Effect.void
      yield* held[1]?.end ?? Effect.void
      assert.deepStrictEqual(log, ["a", "b", "c"])
      yield* held[2]?.end ?? Effect.void
      assert.deepStrictEqual(log, ["a", "b", "c", "d"])
    })
  )

  it.effect("pass through more that wait than a stack has room for", () =>
    Effect.gen(function* () {
      const slots = new Slots(1)
      let done = 0
      const one = Effect.uninterruptibleMask((restore) => {
        const run = Effect.onExit(
          Effect.sync(() => done++),
          () => slots.release() ?? Effect.void
        )
        return slots.takeUnsafe() ? run : Effect.andThen(slots.take(restore, "30 seconds"), run)
      })
      assert.isTrue(slots.takeUnsafe())
      const all = yield* Effect.forEach(Array.from({ length: 20_000 }), () =>
        Effect.forkChild(one, { startImmediately: true })
      )
      yield* slots.release() ?? Effect.void
      yield* Fiber.awaitAll(all)
      assert.strictEqual(done, 20_000)
    })
  )
})
