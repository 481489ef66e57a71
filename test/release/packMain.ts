/** Packs all public packages into the folder that the first argument names, for a project outside of this repository. */
import { mkdirSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { packTo } from "./Release.ts"

// npm runs scripts in the root of the repository; the folder is meant from where the user is.
const [folder = "tarballs"] = process.argv.slice(2)
const into = resolve(process.env["INIT_CWD"] ?? ".", folder)
mkdirSync(into, { recursive: true })
const names = packTo(into).map((path) => basename(path))
console.log(`${into} has\n${names.map((name) => `  ${name}`).join("\n")}`)
const bus = names.find((name) => /^effect-eventbus-\d/.test(name)) ?? ""
console.log("\nInstall the bus alone, or all of them, because npm finds none of them elsewhere:")
console.log(`  npm install effect ${join(into, bus)}\n  npm install effect ${join(into, "*.tgz")}`)
