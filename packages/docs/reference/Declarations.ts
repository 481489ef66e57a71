/** The exports of a module, read from the declarations that the compiler has emitted. */
export interface Export {
  readonly name: string
  readonly doc: string
  readonly category: string
  readonly since: string | undefined
  readonly signature: string
}

export interface Declarations {
  readonly summary: string
  readonly exports: ReadonlyArray<Export>
}

/** The text of a doc comment, without its frame. */
const textOf = (comment: string) =>
  comment
    .replace(/^\s*\/\*\*|\*\/\s*$/g, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim()

const tagOf = (doc: string, tag: string) => new RegExp(`^@${tag} (.+)$`, "m").exec(doc)?.[1]
const withoutTags = (doc: string) => doc.replace(/^@\w+.*$/gm, "").trim()

const comment = /^\/\*\*[\s\S]*?\*\/\n/
/** A statement begins in the first column, and ends with the next line that begins there and is no bracket. */
const statement = /^(?!\/\*\*).*\n?(?:(?:[ \t}\])>].*)?(?:\n|$))*/
const named =
  /^export declare (?:abstract )?(?:const|function|class|namespace) (\w+)|^export (?:declare )?(?:interface|type) (\w+)/
const base = /^declare const (\w+_base): ([\s\S]+);\n?$/

interface Part {
  readonly doc: string
  readonly code: string
}

const partsOf = (text: string): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  let rest = text
  let doc = ""
  while (rest !== "") {
    const found = comment.exec(rest)?.[0]
    if (found !== undefined) {
      if (doc !== "") parts.push({ doc, code: "" })
      doc = textOf(found)
      rest = rest.slice(found.length)
      continue
    }
    const code = statement.exec(rest)?.[0]
    if (code === undefined || code === "") throw new Error(`cannot read ${JSON.stringify(rest.slice(0, 80))}`)
    parts.push({ doc, code })
    doc = ""
    rest = rest.slice(code.length)
  }
  return parts
}

/** A signature as a reader needs it: whole, without what only the compiler says. */
const signatureOf = (code: string, bases: ReadonlyMap<string, string>) =>
  code
    .replace(/^export (?:declare )?/, "")
    .replace(/ extends (\w+_base)\b/, (all, name: string) => {
      const extended = bases.get(name)
      return extended === undefined ? all : ` extends ${extended}`
    })
    .replace(/\bimport\("[^"]*"\)\./g, "")
    .replace(/^( +)/gm, (indent) => " ".repeat(indent.length / 2))
    .trim()

/** An overloaded value may be documented on its signatures alone. */
const firstInnerDoc = (code: string) => {
  const inner = /\/\*\*[\s\S]*?\*\//.exec(code)?.[0]
  return inner === undefined ? "" : textOf(inner)
}

/** Reads the text of a `.d.ts` file. */
export const parse = (text: string): Declarations => {
  const parts = partsOf(text.replace(/\/\/# sourceMappingURL=.*\n?/, ""))
  const bases = new Map(
    parts.flatMap(({ code }) => Array.from([base.exec(code)], (found) => [found?.[1] ?? "", found?.[2] ?? ""] as const))
  )
  const summary = parts.find(({ doc }) => doc !== "")?.doc ?? ""
  const seen = new Map<string, Export>()
  for (const { code, doc } of parts) {
    const found = named.exec(code)
    const name = found?.[1] ?? found?.[2]
    if (name === undefined) continue
    const signature = signatureOf(code, bases)
    const text = doc === "" ? firstInnerDoc(code) : doc
    const earlier = seen.get(name)
    // A value and a type of one name, or the overloads of a function, are one entry.
    seen.set(name, {
      name,
      doc: earlier === undefined || earlier.doc === "" ? withoutTags(text) : earlier.doc,
      category: earlier?.category ?? tagOf(text, "category") ?? "others",
      since: earlier?.since ?? tagOf(text, "since"),
      signature: earlier === undefined ? signature : `${earlier.signature}\n\n${signature}`
    })
  }
  return { summary: withoutTags(summary), exports: [...seen.values()] }
}
