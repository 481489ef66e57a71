import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as AmqpOptions from "../../packages/amqp/src/AmqpOptions.ts"
import * as driver from "../../packages/amqp/src/internal/driver.ts"
import * as Node from "./support/OwnNode.ts"

const amqplib = dirname(createRequire(import.meta.url).resolve("amqplib"))
const { version } = JSON.parse(readFileSync(join(amqplib, "package.json"), "utf8"))

describe("The driver", () => {
  it("is tested with the version of amqplib whose insides it knows", () => {
    assert.strictEqual(version, driver.knownVersion)
  })

  it("refuses an amqplib that has other insides", () => {
    const known = { rest: Buffer.alloc(0), channels: [], recvFrame: () => false }
    const survives = (connection: object) => () => driver.survive(Object.assign(Object.create(null), { connection }))
    survives({ ...known })()
    for (const missing of Object.keys(known)) {
      assert.throws(survives({ ...known, [missing]: undefined }), /another inside than 2\.3\.1/, missing)
    }
  })

  it("allows as many channels as can be numbered where it does not know how many are agreed on", () => {
    const most = (connection: unknown) => driver.channelMax(Object.assign(Object.create(null), { connection }))
    assert.deepStrictEqual([most({ channelMax: 7 }), most({}), most(undefined)], [7, 65_535, 65_535])
  })
})

describe.skipIf(!Node.isPossible)("driver", () => {
  const node = Node.ownNode({ frame_max: 8192, channel_max: 5 })
  const connected = Effect.suspend(() => {
    const settings = AmqpOptions.settings({ url: Redacted.make(node.url) })
    return Effect.acquireRelease(
      driver.connect(settings.endpoints[0], settings, "publish", (model) => model),
      (model) => Effect.sync(() => driver.destroy(model))
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
