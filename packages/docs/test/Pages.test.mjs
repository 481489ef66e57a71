import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { parse } from "../reference/Declarations.ts"
import { readAll } from "../reference/Package.ts"

const site = join(import.meta.dirname, "../dist")
const pages = globSync("**/*.html", { cwd: site }).map((path) => ({
  path: `/${path.replaceAll("\\", "/")}`,
  html: readFileSync(join(site, path), "utf8")
}))
const byPath = new Map(pages.map((page) => [page.path, page]))

const attributes = (html, pattern) => Array.from(html.matchAll(pattern), ([, value]) => value.replaceAll("&amp;", "&"))
const linksOf = ({ html }) => attributes(html, /\s(?:href|src)="([^"]+)"/g)
const idsOf = new Map(pages.map(({ html, path }) => [path, new Set(attributes(html, /\sid="([^"]+)"/g))]))

const problemOf = (from, link) => {
  if (/^(https?:|mailto:|data:)/.test(link)) return undefined
  const { hash, pathname } = new URL(link, `http://site${from}`)
  const path = decodeURIComponent(pathname)
  const target = path.endsWith("/") ? `${path}index.html` : path
  if (!existsSync(join(site, target))) return `${from}: ${link} leads nowhere`
  if (hash === "" || !byPath.has(target)) return undefined
  return idsOf.get(target).has(decodeURIComponent(hash.slice(1))) ? undefined : `${from}: ${link} has no such heading`
}

const packages = readAll()
const modules = packages.flatMap((each) => each.modules)

describe("The site", () => {
  it("has pages, and each link on them leads to a page and a heading that exist", () => {
    assert.isAbove(pages.length, 60)
    const problems = pages.flatMap((page) => linksOf(page).map((link) => problemOf(page.path, link)))
    assert.deepStrictEqual([...new Set(problems.filter((problem) => problem !== undefined))], [])
  })

  it("loads no script, style, font or picture from elsewhere", () => {
    const loaded = pages.flatMap(({ html, path }) =>
      attributes(html, /<(?:script|img|iframe)[^>]*\ssrc="(https?:[^"]+)"/g)
        .concat(attributes(html, /<link[^>]*rel="(?:stylesheet|preload|icon)"[^>]*href="(https?:[^"]+)"/g))
        .map((address) => `${path}: ${address}`)
    )
    const styles = globSync("**/*.css", { cwd: site }).filter((path) =>
      /url\(\s*["']?https?:/.test(readFileSync(join(site, path), "utf8"))
    )
    assert.deepStrictEqual([...loaded, ...styles], [])
  })

  it("has each page that was written", () => {
    const content = join(import.meta.dirname, "../src/content/docs")
    const written = globSync("**/*.md", { cwd: content }).map((path) => path.replace(/(\/?index)?\.md$/, ""))
    const missing = written.filter((path) => !byPath.has(join("/", path, "index.html")))
    assert.deepStrictEqual(missing, [])
  })
})

describe("The reference", () => {
  it("documents every export of every public module", async () => {
    const lacking = await Promise.all(
      modules.map(async (module) => {
        const values = Object.keys(await import(module.path))
        const ids = idsOf.get(`${module.route}index.html`)
        const names = new Set([...values, ...module.exports.map(({ name }) => name)])
        return [...names].filter((name) => !ids?.has(name.toLowerCase())).map((name) => `${module.specifier}: ${name}`)
      })
    )
    assert.isAbove(modules.length, 40)
    assert.deepStrictEqual(lacking.flat(), [])
  })

  it("has a text for each export", () => {
    const bare = modules.flatMap((module) =>
      module.exports.filter(({ doc }) => doc === "").map(({ name }) => `${module.specifier}: ${name}`)
    )
    assert.deepStrictEqual(bare, [])
  })

  it("puts overloads, and a value and a type of one name, into one entry", () => {
    const text = [
      "/** The module. */",
      'import * as Schema from "effect/Schema";',
      "declare const A_base: Schema.Class<A>;",
      "/**\n * An A.\n *\n * @category models\n * @since 0.1.0\n */",
      "export declare class A extends A_base {\n    get size(): number;\n}",
      "export declare const make: {\n    /** Makes. */\n    (n: number): A;\n};",
      "export type make = A;",
      ""
    ].join("\n")
    assert.deepStrictEqual(parse(text), {
      summary: "The module.",
      exports: [
        {
          name: "A",
          doc: "An A.",
          category: "models",
          since: "0.1.0",
          signature: "class A extends Schema.Class<A> {\n  get size(): number;\n}"
        },
        {
          name: "make",
          doc: "Makes.",
          category: "others",
          since: undefined,
          signature: "const make: {\n  /** Makes. */\n  (n: number): A;\n};\n\ntype make = A;"
        }
      ]
    })
  })
})
