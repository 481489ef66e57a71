import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, vi } from "@effect/vitest"
import { extract, typeErrors } from "./Example.ts"

/** A bound, so that the search for examples cannot find none in silence. */
const atLeast = 66

const examples = extract()

describe("Examples", () => {
  it("are found", () => {
    assert.isAtLeast(examples.length, atLeast)
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

  it("the one of the guide to the outbox is the program that npm run example:outbox runs", () => {
    const guide = examples.find(({ document }) => document.endsWith("guides/outbox.md"))
    assert.strictEqual(
      guide?.code,
      readFileSync(join(import.meta.dirname, "../../packages/examples/src/outbox.ts"), "utf8")
    )
  })

  for (const { module, name } of examples.filter(({ runs }) => runs)) {
    it(name, () => import(module))
  }
})
