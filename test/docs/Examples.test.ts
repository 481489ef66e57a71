import { assert, describe, it, vi } from "@effect/vitest"
import { extract, typeErrors } from "./Example.ts"

/** Pinned, so that an example cannot be lost in silence: change it with the documentation. */
const count = 49

const examples = extract()

describe("Examples", () => {
  it("none is lost", () => {
    assert.strictEqual(examples.length, count, examples.map(({ name }) => name).join("\n"))
  })

  it("all type-check", () => {
    assert.deepStrictEqual(typeErrors(examples), [])
  })

  it("the first one of the README prints what its handler was given", async () => {
    const first = examples.find(({ name }) => name.startsWith("README.md"))
    assert.isDefined(first)
    const log = vi.spyOn(console, "log").mockReturnValue()
    await import(`${first.module}?once more`)
    assert.deepStrictEqual(log.mock.calls, [["i-1: 1200"]])
  })

  for (const { module, name } of examples.filter(({ runs }) => runs)) {
    it(name, () => import(module))
  }
})
