import { globSync, readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"

const root = join(import.meta.dirname, "../..")

const Texts = Schema.Record(Schema.String, Schema.String)
const Manifest = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.String,
    license: Schema.String,
    files: Schema.Array(Schema.String),
    sideEffects: Schema.Array(Schema.String),
    engines: Texts,
    exports: Texts,
    bin: Schema.optionalKey(Texts),
    publishConfig: Schema.Struct({ exports: Schema.optionalKey(Texts), bin: Schema.optionalKey(Texts) }),
    peerDependencies: Texts
  })
)

const read = (path: string) => readFileSync(join(root, path), "utf8")

/** Packages for the work on this repository alone. */
const isPrivate = new Set(["bench", "examples"])

/** The packages that are published. The documentation has no sources of its own. */
const folders = globSync("packages/*/tsconfig.json", { cwd: root })
  .map((path) => basename(dirname(path)))
  .filter((folder) => !isPrivate.has(folder))
const packages = folders.map((folder) => ({
  folder,
  manifest: Schema.decodeSync(Manifest)(read(`packages/${folder}/package.json`)),
  sources: globSync("src/**/*.ts", { cwd: join(root, "packages", folder) })
}))

const built = (exports: typeof Texts.Type = {}) =>
  Object.fromEntries(
    Object.entries(exports).map(([name, target]) => [name, target.replace("./src/", "./dist/").replace(/\.ts$/, ".js")])
  )

/** The modules of a barrel, by their names. */
const barrelOf = (folder: string) =>
  Array.from(read(`packages/${folder}/src/index.ts`).matchAll(/^export \* as (\w+) from "(.+)"$/gm), (found) => [
    `./${found[1]}`,
    found[2]?.replace("./", "./src/")
  ])

const stabilityOf = (module: string) => /@stability (\w+)/.exec(read(`node_modules/effect/src/${module}.ts`))?.[1]

describe("Manifests", () => {
  for (const { folder, manifest, sources } of packages) {
    describe(manifest.name, () => {
      it("exports the same modules when it is built", () => {
        const { bin, exports } = manifest.publishConfig
        if (exports !== undefined) assert.deepStrictEqual(exports, built(manifest.exports))
        assert.deepStrictEqual(built(bin), built(manifest.bin))
      })

      it("exports each module of its barrel, and nothing internal", () => {
        const modules = Object.entries(manifest.exports).filter(([name]) => name !== "." && name !== "./package.json")
        const barrel = folder === "cli" ? [] : barrelOf(folder)
        assert.deepStrictEqual(Object.fromEntries(barrel), Object.fromEntries(modules))
        for (const [name, target] of modules) assert.notMatch(`${name} ${target}`, /internal|\*/)
      })

      it("needs a Node that is tested, and packs sources, maps and changes", () => {
        assert.deepStrictEqual(manifest.engines, { node: ">=22.19" })
        assert.deepStrictEqual(manifest.sideEffects, [])
        const packed = ["CHANGELOG.md", "src/**/*.ts", "dist/**/*.js", "dist/**/*.js.map", "dist/**/*.d.ts"]
        assert.includeMembers([...manifest.files], [...packed, "dist/**/*.d.ts.map"])
      })

      it("has a README that links to nothing outside of its tarball", () => {
        assert.notMatch(read(`packages/${folder}/README.md`), /\]\(\.\.\//)
      })

      it("takes one minor version of Effect where it uses what Effect calls unstable", () => {
        const modules = sources.flatMap((source) => {
          const code = read(join("packages", folder, source)).replace(/^ \*.*$/gm, "")
          return Array.from(code.matchAll(/ from "effect\/(\w[\w/]*)"/g), ([, module = ""]) => module)
        })
        const isUnstable = modules.some((module) => module.includes("/") || stabilityOf(module) !== "stable")
        assert.strictEqual(manifest.peerDependencies["effect"], isUnstable ? "~4.1.0" : "^4.1.0")
      })
    })
  }
})
