/**
 * JSON as it was written: numbers keep their digits, and texts their escapes.
 *
 * @internal
 */

/** A number, a text, `true`, `false` or `null`, as it was written. */
export interface Scalar {
  readonly _tag: "Scalar"
  readonly text: string
}

export interface List {
  readonly _tag: "List"
  readonly items: ReadonlyArray<Node>
}

export interface Members {
  readonly _tag: "Members"
  /** In their order. Of two members of the same name there is the last one, as for `JSON.parse`. */
  readonly members: ReadonlyMap<string, Node>
}

export type Node = Scalar | List | Members

/** A deeper payload is none of an event. */
const maxDepth = 100

/** Reads a text that is known to be JSON. */
const read = (text: string): Node => {
  let at = 0
  const next = (): string => {
    while (" \t\n\r".includes(text.charAt(at))) at++
    return text.charAt(at)
  }
  const skipString = () => {
    do at += text[at] === "\\" ? 2 : 1
    while (text[at] !== '"')
    at++
  }
  const value = (depth: number): Node => {
    if (depth > maxDepth) throw new RangeError("It is nested too deep")
    const char = next()
    if (char === "[") {
      const items: Array<Node> = []
      at++
      while (next() !== "]") {
        items.push(value(depth + 1))
        if (next() === ",") at++
      }
      at++
      return { _tag: "List", items }
    }
    if (char === "{") {
      const members = new Map<string, Node>()
      at++
      while (next() === '"') {
        const from = at
        skipString()
        const name: string = JSON.parse(text.slice(from, at))
        next()
        at++
        members.set(name, value(depth + 1))
        if (next() === ",") at++
      }
      at++
      return { _tag: "Members", members }
    }
    const from = at
    if (char === '"') skipString()
    else while (at < text.length && !" \t\n\r,]}".includes(text.charAt(at))) at++
    return { _tag: "Scalar", text: text.slice(from, at) }
  }
  return value(1)
}

/** Parses JSON. `undefined`: it is none, or nested too deep. */
export const parse = (text: string): Node | undefined => {
  try {
    JSON.parse(text)
    return read(text)
  } catch {
    return undefined
  }
}

/** Returns the text of a value, on lines where there is an indentation. */
export const print = (node: Node, indentation = "", before = "\n"): string => {
  if (node._tag === "Scalar") return node.text
  const line = indentation === "" ? "" : `${before}${indentation}`
  const inner = (item: Node) => print(item, indentation, `${before}${indentation}`)
  const parts =
    node._tag === "List"
      ? node.items.map(inner)
      : [...node.members].map(([name, value]) => `${JSON.stringify(name)}:${line === "" ? "" : " "}${inner(value)}`)
  const [open, close] = node._tag === "List" ? "[]" : "{}"
  if (parts.length === 0) return `${open}${close}`
  return `${open}${line}${parts.join(`,${line}`)}${line === "" ? "" : before}${close}`
}

/** Formats JSON on lines. A text that is none stays as it is. */
export const format = (text: string): string => {
  const node = parse(text)
  return node === undefined ? text : print(node, "  ")
}

const isString = (text: string) => text.startsWith('"')

/** Whether two values are the same, whatever the order of their members. Numbers are compared as they were written. */
export const isSame = (a: Node, b: Node): boolean => {
  if (a._tag === "Scalar" && b._tag === "Scalar") {
    return a.text === b.text || (isString(a.text) && isString(b.text) && JSON.parse(a.text) === JSON.parse(b.text))
  }
  if (a._tag === "List" && b._tag === "List") {
    return (
      a.items.length === b.items.length &&
      a.items.every((item, i) => {
        const other = b.items[i]
        return other !== undefined && isSame(item, other)
      })
    )
  }
  if (a._tag === "Members" && b._tag === "Members") {
    return (
      a.members.size === b.members.size &&
      [...a.members].every(([name, value]) => {
        const other = b.members.get(name)
        return other !== undefined && isSame(value, other)
      })
    )
  }
  return false
}
