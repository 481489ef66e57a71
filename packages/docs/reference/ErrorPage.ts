import { pathToFileURL } from "node:url"
import type { Module, Package } from "./Package.ts"
import { cell, firstSentence, page } from "./Page.ts"

/** Whether a retry may help with errors of a class, or why that depends. */
const retryable = (exported: unknown): string => {
  if (typeof exported !== "function") throw new Error("an error that is no class")
  const { prototype } = exported
  try {
    const answer: unknown = Reflect.get(prototype, "isRetryable", prototype)
    if (typeof answer === "boolean") return answer ? "yes" : "no"
  } catch {
    // It asks a field, which a prototype does not have.
  }
  return "its reason says"
}

const rowsOf = async (module: Module) => {
  const values: Record<string, unknown> = await import(pathToFileURL(module.path).href)
  return module.exports
    .filter(({ signature }) => /^class /m.test(signature) && /\bisRetryable\b/.test(signature))
    .map(({ doc, name }) => {
      const link = `[\`${name}\`](${module.route}#${name.toLowerCase()})`
      return `| ${link} | ${retryable(values[name])} | ${cell(firstSentence(doc))} |`
    })
}

/** The page of all tagged errors, and whether a retry may help with each. */
export const errorPage = async (packages: ReadonlyArray<Package>) => {
  const sections = packages
    .flatMap(({ modules }) => modules)
    .map(async (module) => {
      const rows = await rowsOf(module)
      if (rows.length === 0) return []
      const head = ["| error | retry | meaning |", "| --- | --- | --- |"]
      return [`## ${module.specifier}`, [...head, ...rows].join("\n")]
    })
  const text = (await Promise.all(sections)).flat().join("\n\n")
  const lead = "`isRetryable` of an error says whether the same call may succeed later. Each has a `_tag` of its name."
  return page("Error types", "Every typed error, and whether a retry may help.", `${lead}\n\n${text}`)
}
