import { execFileSync, spawnSync } from "node:child_process"
import { globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** A `ts` fence of a docstring or a README, which stands verbatim in a module of its own. */
export interface Example {
  /** Its place in the documentation, such as `README.md:12`. */
  readonly name: string
  readonly document: string
  readonly line: number
  readonly code: string
  /** False for a fence marked `no-run`: it is type-checked only. */
  readonly runs: boolean
  readonly module: string
}

const root = join(import.meta.dirname, "../..")
const folder = join(import.meta.dirname, ".examples")
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "packages/docs/src/content/docs/**/*.md",
  "packages/*/README.md",
  "packages/*/src/**/*.ts"
]
const fence = /^[ \t]*```(?:ts|typescript)\b(.*)\n([\s\S]*?)^[ \t]*```[ \t]*$/gm

/** The docstrings of a source file, every line where it was. */
const docstrings = (source: string) => {
  let inside = false
  const lines = source.split("\n").map((line) => {
    inside ||= /^\s*\/\*\*/.test(line)
    const kept = inside ? line.replace(/^\s*\* ?/, "") : ""
    inside &&= !line.includes("*/")
    return kept
  })
  return lines.join("\n")
}

const examplesOf = (document: string): ReadonlyArray<Example> => {
  const text = readFileSync(join(root, document), "utf8")
  const prose = document.endsWith(".ts") ? docstrings(text) : text
  return Array.from(prose.matchAll(fence), ({ 1: info = "", 2: code = "", index }) => {
    const line = prose.slice(0, index).split("\n").length
    const module = join(folder, `${document.replaceAll("/", ".")}-${line}.ts`)
    return { name: `${document}:${line}`, document, line, code, runs: !/\bno-run\b/.test(info), module }
  })
}

const project = {
  extends: "../../tsconfig.json",
  include: ["*.ts"],
  // No references: the examples see the sources, so nothing has to be built first.
  references: [],
  compilerOptions: { incremental: false, tsBuildInfoFile: null, rootDir: root }
}

/** Overwrites in place, so that two runs at once write the same and neither misses a file. */
export const extract = (): ReadonlyArray<Example> => {
  const examples = globSync(documents, { cwd: root })
    .map((document) => document.replaceAll("\\", "/"))
    .toSorted()
    .flatMap(examplesOf)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(project))
  for (const { code, module } of examples) writeFileSync(module, code)
  const current = new Set(examples.map(({ module }) => module))
  for (const file of readdirSync(folder)) {
    if (file.endsWith(".ts") && !current.has(join(folder, file))) rmSync(join(folder, file), { force: true })
  }
  return examples
}

/** Returns the compiler's errors, each with its place in the documentation. */
export const typeErrors = (examples: ReadonlyArray<Example>): ReadonlyArray<string> => {
  const tsgo = join(root, "node_modules/@effect/tsgo/dist/effect-tsgo.cjs")
  const compiler = execFileSync(process.execPath, [tsgo, "get-exe-path"], { encoding: "utf8" }).trim()
  const { error, status, stdout } = spawnSync(compiler, ["--pretty", "false"], { cwd: folder, encoding: "utf8" })
  if (error) throw error
  if (status === 0) return []
  const byModule = new Map(examples.map((example) => [example.module, example]))
  const inDocument = (place: string, file: string, line: string) => {
    const example = byModule.get(join(folder, file))
    return example ? `${example.document}:${example.line + Number(line)} (example ${example.name})` : place
  }
  const messages = stdout.trimEnd().split("\n")
  return messages.map((message) => message.replace(/^(.+?)\((\d+),\d+\)/, inDocument))
}
