import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../..")
const documents = ["*.md", "packages/*/README.md", "packages/docs/src/content/docs/**/*.md"]
const link = /\]\((?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]+)?\)/g

/** The anchor that a heading gets. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, "")
    .trim()
    .replace(/\s+/g, "-")

const anchorsOf = (text: string) => Array.from(text.matchAll(/^#+ (.+)$/gm), ([, heading = ""]) => anchorOf(heading))

/** The file that a link leads to. */
const targetOf = (document: string, target: string) => {
  const path = join(root, dirname(document), target)
  return [path, join(path, "README.md")].find((each) => existsSync(each))
}

const problemsOf = (document: string) =>
  Array.from(readFileSync(join(root, document), "utf8").matchAll(link), ([all, target = "", anchor]) => {
    const found = targetOf(document, target)
    if (found === undefined) return `${document}: ${all} leads nowhere`
    if (anchor === undefined) return undefined
    const page = [found, join(found, "README.md")].find((each) => each.endsWith(".md") && existsSync(each))
    return page !== undefined && anchorsOf(readFileSync(page, "utf8")).includes(anchor.slice(1))
      ? undefined
      : `${document}: ${all} has no such heading`
  }).filter((problem) => problem !== undefined)

describe("Links", () => {
  it("of README files and pages lead to files and headings that exist", () => {
    const pages = globSync(documents, { cwd: root })
    assert.isAtLeast(pages.length, 15)
    assert.deepStrictEqual(pages.flatMap(problemsOf), [])
  })
})
