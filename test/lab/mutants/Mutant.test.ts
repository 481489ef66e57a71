import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { mutants } from "./Mutant.ts"

describe("The mutants", () => {
  // The lab finds this out as well, but only in its long form.
  it.each(mutants)("$name fits the source of the bus", ({ edits, file }) => {
    const source = readFileSync(join(import.meta.dirname, "../../../packages", file), "utf8")
    for (const [from] of edits) assert.strictEqual(source.split(from).length, 2, from)
  })
})
