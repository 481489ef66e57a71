import type { Export } from "./Declarations.ts"
import type { Module, Package } from "./Package.ts"
import { cell, firstSentence, page } from "./Page.ts"

const anchor = (name: string) => `#${name.toLowerCase()}`

/** Turns `{@link X}` and `{@link Module.x}` into links, where there is such a thing. */
const linked = (text: string, from: Module, modules: ReadonlyArray<Module>) =>
  text.replace(/\{@link ([\w.]+)[^}]*\}/g, (_, name: string) => {
    const [first = "", second] = name.split(".")
    if (from.exports.some((each) => each.name === first)) return `[\`${name}\`](${anchor(first)})`
    const module = modules.find((each) => each.name === first)
    if (module === undefined) return `\`${name}\``
    return `[\`${name}\`](${module.route}${second === undefined ? "" : anchor(second)})`
  })

/** Examples are smaller headings than the export that they belong to. */
const body = (doc: string) => doc.replace(/^```ts.*$/gm, "```ts")

const entry = (each: Export, from: Module, modules: ReadonlyArray<Module>) =>
  [
    `### ${each.name}`,
    linked(body(each.doc), from, modules),
    `\`\`\`ts\n${each.signature}\n\`\`\``,
    each.since === undefined ? "" : `Since ${each.since}.`
  ]
    .filter((part) => part !== "")
    .join("\n\n")

const capital = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1)

/** The page of a module: its exports by category, each with its documentation and its signature. */
export const modulePage = (owner: Package, module: Module, modules: ReadonlyArray<Module>) => {
  const categories = [...new Set(module.exports.map(({ category }) => category))]
  const sections = categories.map((category) => {
    const entries = module.exports.filter((each) => each.category === category)
    return [`## ${capital(category)}`, ...entries.map((each) => entry(each, module, modules))].join("\n\n")
  })
  const imports = `\`\`\`ts\nimport { ${module.name} } from "${owner.name}"\n\`\`\``
  const alone = `It is also the module \`${module.specifier}\`.`
  const text = [imports, linked(body(module.summary), module, modules), alone, ...sections].join("\n\n")
  return page(module.name, firstSentence(module.summary), text)
}

/** The page that lists the modules of all packages. */
export const indexPage = (packages: ReadonlyArray<Package>) => {
  const sections = packages.map(({ description, modules, name }) => {
    const rows = modules.map((each) => `| [\`${each.name}\`](${each.route}) | ${cell(firstSentence(each.summary))} |`)
    return [`## ${name}`, `${description}.`, ["| module | purpose |", "| --- | --- |", ...rows].join("\n")].join("\n\n")
  })
  return page("Modules", "All public modules of all packages.", sections.join("\n\n"))
}
