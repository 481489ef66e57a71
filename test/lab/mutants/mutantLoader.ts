/** Loaded before a run whose bus is to be broken: `node --import ./mutantLoader.ts …`. */
import { registerHooks } from "node:module"
import { mutants } from "./Mutant.ts"

const name = process.env["EVENTBUS_MUTANT"]
const mutant = mutants.find((each) => each.name === name)
if (mutant === undefined) throw new Error(`There is no mutant "${name}"`)

let isLoaded = false

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    if (!url.endsWith(`/packages/${mutant.file}`)) return loaded
    let source = String(loaded.source)
    for (const [from, to] of mutant.edits) {
      if (source.split(from).length !== 2) {
        throw new Error(`The mutant "${mutant.name}" does not find its place in ${mutant.file}: write it anew`)
      }
      source = source.replace(from, () => to)
    }
    isLoaded = true
    return { ...loaded, source }
  }
})

process.once("exit", () => {
  if (!isLoaded) process.exitCode = 70
})
