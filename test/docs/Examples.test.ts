import { assert, describe, it } from "@effect/vitest"
import { extract, typeErrors } from "./Example.ts"

/** Pinned, so that an example cannot be lost in silence: change it with the documentation. */
const count = 27

const examples = extract()

describe("Examples", () => {
  it("none is lost", () => {
    assert.strictEqual(examples.length, count, examples.map(({ name }) => name).join("\n"))
  })

  it("all type-check", () => {
    assert.deepStrictEqual(typeErrors(examples), [])
  })

  for (const { module, name } of examples.filter(({ runs }) => runs)) {
    it(name, () => import(module))
  }
})
