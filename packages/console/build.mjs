// Builds the page into dist/ui, unless its sources are those of the last build. A package has it built.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"

const home = dirname(fileURLToPath(import.meta.url))
const page = join(home, "ui")
const built = join(home, "dist", "ui")

const filesIn = (folder) =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !relative(home, file).split(sep).includes("node_modules"))

const hash = createHash("sha256")
for (const file of [...filesIn(page), ...filesIn(join(home, "src")), join(home, "package.json")].toSorted()) {
  hash.update(relative(home, file)).update("\0").update(readFileSync(file)).update("\0")
}
const wanted = hash.digest("hex")
const mark = join(built, ".sources")

if (!existsSync(join(page, "index.html"))) {
  console.error("packages/console/ui has no index.html")
  process.exit(1)
}
if (!existsSync(mark) || readFileSync(mark, "utf8") !== wanted) {
  const require = createRequire(import.meta.url)
  const vite = join(dirname(require.resolve("vite/package.json")), "bin", "vite.js")
  const { status } = spawnSync(process.execPath, [vite, "build", page, "--logLevel", "error"], {
    cwd: home,
    stdio: "inherit"
  })
  if (status !== 0) process.exit(status ?? 1)
  writeFileSync(mark, wanted)
}
