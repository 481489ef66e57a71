// Installs what builds the site, when it differs from the lock file.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"

const here = new URL("./", import.meta.url)
const read = (path) => (existsSync(new URL(path, here)) ? readFileSync(new URL(path, here), "utf8") : undefined)

const lock = read("package-lock.json")
const mark = "node_modules/.installed"

if (read(mark) !== lock) {
  console.error("Installing what builds the site (once) …")
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: here,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32"
  })
  if (status === 0) writeFileSync(new URL(mark, here), lock)
  process.exitCode = status ?? 1
}
