import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Schedule, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"

class DatabaseDown extends Schema.TaggedError<DatabaseDown>()("DatabaseDown", {}) {}
class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { message: Schema.String }) {}

const Task = EventType.untyped("task")

describe("A pause after a failure", () => {
  for (const [error, said] of [
    [new DatabaseDown(), "DatabaseDown"],
    [new Unreachable({ message: "no route" }), "Unreachable: no route"]
  ] as const) {
    it.effect(`names it: ${said}`, () => {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      return Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const running = yield* bus.subscribe(
          Handler.make(Subscription.make("work", { events: [Task] }), () => Effect.fail(error)).pipe(
            Handler.onFailure(FailurePolicy.pause(Schedule.spaced("1 minute")))
          )
        )
        yield* bus.publish(yield* Task.event({}))
        yield* TestClock.adjust("1 second")
        const state = yield* running.state
        assert.deepInclude(state, { _tag: "Paused", by: error._tag })
        assert.deepStrictEqual(lines, [`Paused "work" for 1m: ${said}`])
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(EventBus.layerMemory, Logger.layer([logger]))))
    })
  }
})
