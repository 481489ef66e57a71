import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../..")

const opening = /\/\*\*[\s*]*(?:What|Whatever|Who|Whoever|Whose|Where)\b.*/g
const word = /.*\b(?:nobody|whoever|somebody|anew)\b.*/gi

/** Finds doc comments that open with a relative clause, and words that do not belong in technical English. */
const offencesIn = (text: string) =>
  [opening, word].flatMap((pattern) =>
    Array.from(text.matchAll(pattern), ({ 0: found, index }) => {
      const line = text.slice(0, index).split("\n").length
      return `${line}: ${found.replace(/[\s*]+/g, " ").trim()}`
    })
  )

const texts = [
  "packages/*/src/**/*.{ts,md,mdx}",
  "packages/*/README.md",
  "README.md",
  "CONTRIBUTING.md",
  "test/**/*.{ts,md}"
]

/** Whether a path is that of a dependency, or of this test, which quotes the words. */
const isForeign = (path: string) => /node_modules$|\.examples$|English\.test\.ts$/.test(path)

const offences = globSync(texts, { cwd: root, exclude: isForeign })
  .map((path) => path.replaceAll("\\", "/"))
  .toSorted()
  .flatMap((path) => offencesIn(readFileSync(join(root, path), "utf8")).map((offence) => `${path}:${offence}`))

describe("English", () => {
  it("opens no doc comment with What, Who or Where, and says no nobody, whoever, somebody or anew", () => {
    assert.deepStrictEqual(offences, [])
  })

  it("finds both in a text", () => {
    const text = "/**\n * What it is.\n */\nconst a = 1\n/** Whether so. Nobody knows. */"
    assert.deepStrictEqual(offencesIn(text), ["1: / What it is.", "5: / Whether so. Nobody knows. /"])
  })
})
