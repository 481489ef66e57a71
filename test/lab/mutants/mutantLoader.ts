/** Breaks the bus of this process: `EVENTBUS_MUTANT=NAME node --import ./mutantLoader.ts …`. */
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
        throw new Error(`An edit of the mutant "${mutant.name}" does not fit ${mutant.file}: update the edit`)
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
