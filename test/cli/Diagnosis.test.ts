import { assert, describe, it } from "@effect/vitest"
import * as Diagnosis from "../../packages/cli/src/Diagnosis.ts"

const versions: ReadonlyArray<readonly [version: string, status: Diagnosis.Check["status"]]> = [
  ["3.9.29", "fail"],
  ["3.10.8", "warn"],
  ["3.13.7", "warn"],
  ["4.0.1", "ok"],
  ["4.2.9", "ok"],
  ["4.3.0-rc.1", "fail"],
  ["4.3.2", "fail"],
  ["4.3.3", "warn"],
  ["4.3.5", "ok"],
  ["4.10.0", "ok"],
  ["5.0.0", "ok"],
  ["", "warn"],
  ["unknown", "warn"]
]

const clocks: ReadonlyArray<readonly [least: number, most: number, said: RegExp]> = [
  [-400, 599, /^ok .*the same there and here/],
  [200, 1199, /^ok .*0\.2 s ahead/],
  [-4000, -3001, /^ok .*3\.0 s behind/],
  [5001, 6000, /^warn .*at least 5\.0 s ahead/],
  [-61_000, -60_001, /^warn .*at least 60\.0 s behind/]
]

describe("Diagnosis", () => {
  for (const [version, status] of versions) {
    it(`takes RabbitMQ "${version}" for ${status}`, () => {
      assert.strictEqual(Diagnosis.version(version).status, status)
    })
  }

  for (const [least, most, said] of clocks) {
    it(`tells of a clock that is ${least} to ${most} ms ahead`, () => {
      const { detail, status } = Diagnosis.clock({ least, most })
      assert.match(`${status} ${detail}`, said)
    })
  }
})
