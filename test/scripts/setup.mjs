// Installs the dependencies when they differ from the lock file. Needs only Node and npm.
import { spawnSync } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"

const root = new URL("../../", import.meta.url)
const lock = new URL("test/scripts/.installing", root)

const read = (path) => {
  try {
    return readFileSync(new URL(path, root), "utf8")
  } catch {
    return undefined
  }
}

const installed = () => read("node_modules/.pnpm/lock.yaml") === read("pnpm-lock.yaml")

const isAlive = (pid) => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === "EPERM"
  }
}

// Two installs at once would break each other's links, so the second one waits and then finds nothing to do.
const takeLock = () => {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" })
    return true
  } catch (error) {
    if (error.code !== "EEXIST") throw error
    const owner = Number(read("test/scripts/.installing"))
    if (owner > 0 && !isAlive(owner)) rmSync(lock, { force: true })
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    return false
  }
}

const install = () => {
  const { packageManager } = JSON.parse(read("package.json"))
  console.error(`Installing the dependencies with ${packageManager} (once) …`)
  const { error, status } = spawnSync(
    "npx",
    ["--yes", packageManager, "install", "--frozen-lockfile", "--loglevel=error"],
    { cwd: root, shell: process.platform === "win32", stdio: ["ignore", "inherit", "inherit"] }
  )
  if (error) console.error(`Could not start npx: ${error.message}`)
  return status ?? 1
}

// A Node that runs TypeScript is installed on Linux only (optionalDependencies of package.json).
const [major, minor] = process.versions.node.split(".").map(Number)
if (process.platform !== "linux" && (major < 22 || (major === 22 && minor < 19))) {
  console.error(`This needs Node 22.19 or later (it is tested with Node 24), but this is Node ${process.versions.node}`)
  process.exit(1)
}

let mine = false
while (!installed() && !mine) mine = takeLock()
if (mine) {
  try {
    if (!installed()) process.exitCode = install()
  } finally {
    rmSync(lock, { force: true })
  }
}
