import { assert, describe, it } from "@effect/vitest"
import { law } from "../../packages/bench/src/Growth.ts"
import { median } from "../../packages/bench/src/Outcome.ts"

describe("Growth", () => {
  const at = (f: (x: number) => number) => law([1, 10, 100, 1000].map((x) => [x, f(x)]))

  it("tells what is constant, logarithmic and linear apart", () => {
    assert.strictEqual(
      at(() => 5),
      "constant"
    )
    assert.strictEqual(
      at((x) => 5 + Math.log(x)),
      "logarithmic"
    )
    assert.strictEqual(
      at((x) => 5 + x / 10),
      "linear"
    )
  })

  it("takes for constant what changes no more than the machine's noise, or gets cheaper", () => {
    assert.strictEqual(
      at((x) => 5 + Math.sin(x) / 2),
      "constant"
    )
    assert.strictEqual(
      at((x) => 5 / x),
      "constant"
    )
  })

  it("says nothing of two points", () => {
    assert.strictEqual(
      law([
        [1, 1],
        [2, 2]
      ]),
      "unknown"
    )
  })

  it("takes the middle of an even number of values between two of them", () => {
    assert.deepStrictEqual([median([3, 1, 2]), median([4, 1, 3, 2]), median([])], [2, 2.5, undefined])
  })
})
