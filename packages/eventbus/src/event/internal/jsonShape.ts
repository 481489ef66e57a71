/**
 * Checks a parsed JSON value that nobody trusts, before anything recursive sees it.
 *
 * @internal
 */

/** Deeper than any event has a reason to be, and far from the end of the stack. */
const maxDepth = 100

const isObject = (u: unknown): u is Readonly<Record<string, unknown>> => typeof u === "object" && u !== null

/**
 * Says what is wrong with the shape of a value, if anything: nested too deep, or
 * with keys that pollute prototypes when someone merges them.
 */
export const problem = (node: unknown): "TooDeep" | "ForbiddenKey" | undefined =>
  isObject(node) ? problemOf(node, 1) : undefined

const problemOf = (node: Readonly<Record<string, unknown>>, depth: number): ReturnType<typeof problem> => {
  if (depth > maxDepth) return "TooDeep"
  if (Array.isArray(node)) {
    for (const item of node) {
      const found = isObject(item) ? problemOf(item, depth + 1) : undefined
      if (found !== undefined) return found
    }
    return undefined
  }
  for (const key in node) {
    const value = node[key]
    if (key === "__proto__" || (key === "constructor" && typeof value === "object")) return "ForbiddenKey"
    const found = isObject(value) ? problemOf(value, depth + 1) : undefined
    if (found !== undefined) return found
  }
}
