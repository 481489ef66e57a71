import { execFileSync, spawnSync } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../..")
const packages = ["eventbus", "agents", "amqp", "http", "inspect", "sql", "testing"]

const isString = (target: unknown): target is string => typeof target === "string"

/** The sources of the modules that a package exports. */
const modulesOf = (name: string) => {
  const manifest = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"))
  const targets = Object.values<unknown>(manifest.exports).filter(isString)
  const sources = targets.filter((target) => target.endsWith(".ts"))
  return globSync(sources, { cwd: join(root, "packages", name) }).map((path) => join(root, "packages", name, path))
}

const modules = packages.flatMap(modulesOf)
const folder = mkdtempSync(join(tmpdir(), "declarations-"))
afterAll(() => rmSync(folder, { recursive: true }))

const project = {
  extends: join(root, "tsconfig.json"),
  files: modules,
  references: [],
  compilerOptions: {
    composite: false,
    incremental: false,
    tsBuildInfoFile: null,
    noCheck: true,
    declaration: true,
    declarationMap: false,
    emitDeclarationOnly: true,
    lib: ["ES2023", "DOM"],
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
    rootDir: join(root, "packages"),
    outDir: folder
  }
}

/** Emits the declarations that an editor reads, in a temporary folder. */
const emit = () => {
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(project))
  const tsgo = join(root, "node_modules/@effect/tsgo/dist/effect-tsgo.cjs")
  const compiler = execFileSync(process.execPath, [tsgo, "get-exe-path"], { encoding: "utf8" }).trim()
  const { error, status, stdout } = spawnSync(compiler, ["--pretty", "false"], { cwd: folder, encoding: "utf8" })
  if (error) throw error
  assert.strictEqual(status, 0, stdout)
  return modules.map((module) => {
    const path = relative(join(root, "packages"), module).replace(/\.ts$/, ".d.ts")
    return { path, lines: readFileSync(join(folder, path), "utf8").split("\n") }
  })
}

type Declarations = ReturnType<typeof emit>[number]

/** The start of an export; a name where it declares a value. */
const exported = /^export (?:declare (?:const|function|class) (\w+))?/
/** A call signature of an exported object type, such as that of an overloaded function. */
const signature = /^ {4}[<(]/

/** Finds the values and signatures for which an editor shows no doc comment. */
const undocumented = ({ lines, path }: Declarations) => {
  let owner: string | undefined
  return lines.flatMap((line, at) => {
    const start = exported.exec(line)
    if (start !== null) owner = start[1]
    const isSubject = owner !== undefined && (start !== null || signature.test(line))
    const isBare = isSubject && lines[at - 1]?.endsWith("*/") !== true
    return isBare ? [`${path}: ${owner}: ${line.trim().slice(0, 80)}`] : []
  })
}

describe("Hover", () => {
  it("shows a doc comment for every exported value, and for every signature of an overloaded one", () => {
    assert.deepStrictEqual(emit().flatMap(undocumented), [])
  })

  it("finds signatures and values without one", () => {
    const lines = ["/** Makes. */", "export declare const make: {", "    (name: string): A;", "    <B>(b: B): A;", "};"]
    const found = undocumented({ path: "A.d.ts", lines: [...lines, "export declare const size: number;"] })
    assert.deepStrictEqual(found, [
      "A.d.ts: make: (name: string): A;",
      "A.d.ts: make: <B>(b: B): A;",
      "A.d.ts: size: export declare const size: number;"
    ])
  })
})
