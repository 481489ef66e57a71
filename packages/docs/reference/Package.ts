import { globSync, readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Schema from "effect/Schema"
import { type Declarations, parse } from "./Declarations.ts"

export const root = join(import.meta.dirname, "../../..")

const Manifest = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.String,
    description: Schema.String,
    publishConfig: Schema.optionalKey(
      Schema.Struct({ exports: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)) })
    )
  })
)

export interface Module extends Declarations {
  readonly name: string
  /** The name by which it is imported alone. */
  readonly specifier: string
  /** The built file. */
  readonly path: string
  /** The address of its page on the site. */
  readonly route: string
}

export interface Package {
  readonly folder: string
  readonly name: string
  readonly description: string
  readonly modules: ReadonlyArray<Module>
}

const reexport = /^export \{([^}]*)\} from "(.+)\.ts";$/gm

/** Reads a `.d.ts` file, with what it exports of others. */
const declarationsOf = (path: string): Declarations => {
  const text = readFileSync(path, "utf8")
  const own = parse(text)
  const others = Array.from(text.matchAll(reexport), ([, names = "", target = ""]) => {
    const wanted = new Set(names.split(",").map((name) => name.trim().replace(/^type /, "")))
    return declarationsOf(join(dirname(path), `${target}.d.ts`)).exports.filter(({ name }) => wanted.has(name))
  })
  return { ...own, exports: [...own.exports, ...others.flat()] }
}

/** Reads a package that has been built. */
const read = (folder: string): Package => {
  const at = join(root, "packages", folder)
  const manifest = readFileSync(join(at, "package.json"), "utf8")
  const { description, name, publishConfig } = Schema.decodeSync(Manifest)(manifest)
  const modules = Object.entries(publishConfig?.exports ?? {})
    .filter(([key]) => /^\.\/\w+$/.test(key))
    .map(([key, target]) => {
      const module = key.slice(2)
      const path = join(at, target)
      const declarations = declarationsOf(path.replace(/\.js$/, ".d.ts"))
      const route = `/reference/modules/${folder}/${module.toLowerCase()}/`
      return { ...declarations, name: module, specifier: `${name}/${module}`, path, route }
    })
  return { folder, name, description, modules }
}

/** Reads all packages that export modules, the bus first. */
export const readAll = (): ReadonlyArray<Package> => {
  const folders = globSync("packages/*/tsconfig.json", { cwd: root }).map((path) => basename(dirname(path)))
  const others = folders.filter((folder) => folder !== "eventbus").toSorted()
  return ["eventbus", ...others].map(read).filter(({ modules }) => modules.length > 0)
}
