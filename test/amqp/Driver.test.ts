import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as AmqpOptions from "../../packages/amqp/src/AmqpOptions.ts"
import * as driver from "../../packages/amqp/src/internal/driver.ts"
import * as Node from "./support/OwnNode.ts"

describe.skipIf(!Node.isPossible)("driver", () => {
  const node = Node.ownNode(async () => ["frame_max = 8192", "channel_max = 5"])
  const connected = Effect.suspend(() => {
    const settings = AmqpOptions.settings({ url: Redacted.make(node.url) })
    return Effect.acquireRelease(driver.connect(settings.endpoints[0], settings, "publish"), (model) =>
      Effect.sync(() => driver.destroy(model))
    )
  })

  it.live("says how many bytes a frame may carry", () =>
    Effect.gen(function* () {
      assert.strictEqual(driver.frameRoom(yield* connected), 8184)
    })
  )

  it.live("gives a channel the number of no channel that was closed just now", () =>
    Effect.gen(function* () {
      const model = yield* connected
      const numbers: Array<unknown> = []
      for (let i = 0; i < 12; i++) {
        const channel = yield* Effect.promise(() => model.createChannel())
        numbers.push(Reflect.get(channel, "ch"))
        yield* Effect.promise(() => channel.close())
      }
      assert.deepStrictEqual(numbers, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2])
    })
  )

  it.live("gives all the numbers there are, and passes over those in use", () =>
    Effect.gen(function* () {
      const model = yield* connected
      const open = () => Effect.promise(() => model.createChannel())
      const channels = yield* Effect.all([open(), open(), open(), open(), open()])
      assert.match(
        String(
          yield* Effect.flip(Effect.tryPromise(() => model.createChannel())).pipe(Effect.map(({ cause }) => cause))
        ),
        /No channels left/
      )
      yield* Effect.promise(() => channels[1].close())
      assert.strictEqual(Reflect.get(yield* open(), "ch"), 2)
    })
  )
})
