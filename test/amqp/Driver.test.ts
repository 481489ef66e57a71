import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as driver from "../../packages/amqp/src/internal/driver.ts"

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
