import { execFileSync } from "node:child_process"
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import * as Schema from "effect/Schema"

const root = join(import.meta.dirname, "../..")

const { packageManager } = Schema.decodeSync(Schema.fromJsonString(Schema.Struct({ packageManager: Schema.String })))(
  readFileSync(join(root, "package.json"), "utf8")
)

/** The parts of a `package.json` that a release is checked for. */
const Manifest = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.String,
    version: Schema.optionalKey(Schema.String),
    license: Schema.optionalKey(Schema.String),
    engines: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    exports: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    publishConfig: Schema.optionalKey(Schema.Unknown),
    bin: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    dependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    peerDependencies: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  })
)

export type Manifest = typeof Manifest.Type

export const readManifest = (path: string) => Schema.decodeSync(Manifest)(readFileSync(path, "utf8"))

/** A public package as users get it. */
export interface Tarball {
  readonly manifest: Manifest
  readonly path: string
  /** Its unpacked files. */
  readonly folder: string
  readonly files: ReadonlyArray<string>
}

/** Runs a command by the Node that runs this, and fails with all that it said. */
export const run = (folder: string, command: string, args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}) => {
  const path = `${dirname(process.execPath)}:${process.env["PATH"]}`
  const options = { cwd: folder, env: { ...process.env, PATH: path, ...env }, maxBuffer: 1 << 26 }
  try {
    return execFileSync(command, args, { ...options, encoding: "utf8", stdio: "pipe" })
  } catch (error) {
    const { stderr, stdout } = Schema.decodeUnknownSync(Output)(error)
    throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}\n${stderr}`, { cause: error })
  }
}

const Output = Schema.Struct({ stdout: Schema.String, stderr: Schema.String })

/** Copies what git knows, and what it would be told of, so that no file of an earlier build is packed. */
const copy = (folder: string) => {
  const listed = run(root, "git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).split("\0")
  for (const path of listed) {
    if (path !== "" && existsSync(join(root, path))) cpSync(join(root, path), join(folder, path))
  }
}

/** The folders of the packages that are published, below `folder`. */
export const publicPackages = (folder: string) =>
  globSync("packages/*/package.json", { cwd: folder })
    .filter((path) => readManifest(join(folder, path)).publishConfig !== undefined)
    .map((path) => dirname(path))
    .toSorted()

const unpack = (path: string, into: string): Tarball => {
  mkdirSync(into, { recursive: true })
  run(into, "tar", ["-xzf", path, "--strip-components=1"])
  const files = globSync("**/*", { cwd: into, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(into.length + 1))
  return { manifest: readManifest(join(into, "package.json")), path, folder: into, files }
}

export interface Release {
  readonly folder: string
  readonly tarballs: ReadonlyArray<Tarball>
}

const pnpm = ["--yes", packageManager]

/** Copies this checkout, with what it needs installed. */
const checkOut = (folder: string) => {
  copy(folder)
  run(folder, "npx", [...pnpm, "install", "--frozen-lockfile", "--prefer-offline", "--loglevel=error"])
}

const Packed = Schema.fromJsonString(Schema.Struct({ filename: Schema.String }))

/** Builds and packs the public packages of a checkout, and returns the paths of the tarballs. */
const pack = (checkout: string, into: string) => {
  const folders = publicPackages(checkout)
  run(checkout, "npx", ["tsc", "-b", ...folders])
  if (existsSync(join(checkout, "packages/console/ui/index.html"))) {
    run(checkout, process.execPath, ["packages/console/build.mjs"])
  }
  return folders.map((folder) => {
    const packed = run(join(checkout, folder), "npx", [...pnpm, "pack", "--json", "--pack-destination", into])
    return Schema.decodeSync(Packed)(packed).filename
  })
}

/** Does all of a release but the upload, in a copy of this checkout: versions, changelogs, build, tarballs. */
export const make = (): Release => {
  const folder = mkdtempSync(join(tmpdir(), "release-"))
  const checkout = join(folder, "checkout")
  checkOut(checkout)
  // It asks pnpm to bring the lock file up to date.
  run(checkout, "npx", ["--yes", "--package", packageManager, "--", "node_modules/.bin/changeset", "version"])
  const tarballs = pack(checkout, folder).map((path) => unpack(path, join(folder, "unpacked", basename(path, ".tgz"))))
  return { folder, tarballs }
}

/** Packs this checkout as it is, to be used elsewhere. */
export const packTo = (into: string): ReadonlyArray<string> => {
  const checkout = mkdtempSync(join(tmpdir(), "checkout-"))
  try {
    checkOut(checkout)
    return pack(checkout, into)
  } finally {
    rmSync(checkout, { recursive: true, force: true })
  }
}

export const remove = ({ folder }: Release) => rmSync(folder, { recursive: true, force: true })
