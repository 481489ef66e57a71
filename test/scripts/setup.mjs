// Installs what the lock file names, when what is installed is something else. Needs only Node and npm.
import { spawnSync } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"

const root = new URL("../../", import.meta.url)
const turn = new URL("test/scripts/.installing", root)

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

// Two installs at once would trip over each other's links, so the second waits and then finds nothing to do.
const takeTurn = () => {
  try {
    writeFileSync(turn, String(process.pid), { flag: "wx" })
    return true
  } catch (error) {
    if (error.code !== "EEXIST") throw error
    const owner = Number(read("test/scripts/.installing"))
    if (owner > 0 && !isAlive(owner)) rmSync(turn, { force: true })
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
  if (error) console.error(`npx did not start: ${error.message}`)
  return status ?? 1
}

// A Node that runs TypeScript comes along for Linux alone (optionalDependencies of package.json).
const [major, minor] = process.versions.node.split(".").map(Number)
if (process.platform !== "linux" && (major < 22 || (major === 22 && minor < 19))) {
  console.error(
    `This needs Node 22.19 or later, and Node 24 is what it is tested with: this is ${process.versions.node}`
  )
  process.exit(1)
}

let mine = false
while (!installed() && !mine) mine = takeTurn()
if (mine) {
  try {
    if (!installed()) process.exitCode = install()
  } finally {
    rmSync(turn, { force: true })
  }
}
