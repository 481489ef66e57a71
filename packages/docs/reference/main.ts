/** Writes the pages of the reference that are made from the packages themselves. The packages must have been built. */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { commandPage } from "./CommandPage.ts"
import { errorPage } from "./ErrorPage.ts"
import { indexPage, modulePage } from "./ModulePage.ts"
import { readAll, root } from "./Package.ts"

const packages = readAll()
const modules = packages.flatMap((each) => each.modules)
const generated = join(import.meta.dirname, "../generated")

const write = (path: string, text: string) => {
  const file = join(generated, "reference", path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

rmSync(generated, { recursive: true, force: true })
for (const owner of packages) {
  for (const module of owner.modules) {
    write(`modules/${owner.folder}/${module.name.toLowerCase()}.md`, modulePage(owner, module, modules))
  }
}
write("modules/index.md", indexPage(packages))
write("error-types.md", await errorPage(packages))
write("commands.md", await commandPage())
copyFileSync(join(root, "packages/bench/results/growth.svg"), join(import.meta.dirname, "../public/growth.svg"))

const exports = modules.reduce((sum, module) => sum + module.exports.length, 0)
console.log(`${modules.length} modules with ${exports} exports`)
