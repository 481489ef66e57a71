import { assert, describe, it } from "@effect/vitest"
import type { Delivery } from "effect-eventbus"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Dispatch } from "../../packages/eventbus/src/subscribe/internal/dispatch.ts"
import { envelope } from "./BareBroker.ts"

const delivery: Delivery.Delivery = {
  envelope: envelope("ping"),
  redelivered: false,
  isLive: () => true,
  ack: Effect.void,
  requeue: Effect.void
}

const joined = (fiber: Fiber.Fiber<void> | undefined) =>
  fiber === undefined ? Effect.die("nothing was handled") : Fiber.join(fiber)

describe("A dispatch", () => {
  const ends = {
    idle: (dispatch: Dispatch) => dispatch.idle,
    done: (dispatch: Dispatch) => dispatch.done
  }
  for (const [name, end] of Object.entries(ends)) {
    it.effect(`is not ${name} before a handler is done that stops its own subscription in its first step`, () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const dispatch = new Dispatch(4, 8)
        let isEnded = false
        let stopping: Fiber.Fiber<void> | undefined
        dispatch.start(() => {
          stopping = Effect.runFork(Effect.map(end(dispatch), () => void (isEnded = true)))
          return Effect.runFork(Deferred.await(gate))
        })
        dispatch.deliver(delivery)
        yield* Effect.yieldNow
        assert.isFalse(isEnded)
        yield* Deferred.succeed(gate, undefined)
        yield* joined(stopping)
        assert.isTrue(isEnded)
      })
    )
  }

  it.effect("interrupts a handler that stops its own subscription in its first step", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const dispatch = new Dispatch(4, 8)
      let stopping: Fiber.Fiber<void> | undefined
      dispatch.start(() => {
        stopping = Effect.runFork(dispatch.interrupt)
        return Effect.runFork(Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
      })
      dispatch.deliver(delivery)
      yield* joined(stopping)
      assert.isTrue(yield* Deferred.isDone(interrupted))
    })
  )
})
