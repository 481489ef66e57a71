/**
 * Checks a parsed JSON value that nobody trusts, before anything recursive sees it.
 *
 * @internal
 */

/** Deeper than any event has a reason to be, and far from the end of the stack. */
const maxDepth = 100

/**
 * Says what is wrong with the shape of a value, if anything: nested too deep, or
 * with keys that pollute prototypes when someone merges them.
 */
export const problem = (node: unknown, depth = 1): "TooDeep" | "ForbiddenKey" | undefined => {
  if (typeof node !== "object" || node === null) return undefined
  if (depth > maxDepth) return "TooDeep"
  if (Array.isArray(node)) {
    for (const item of node) {
      const found = problem(item, depth + 1)
      if (found !== undefined) return found
    }
    return undefined
  }
  for (const key in node) {
    const value: unknown = Reflect.get(node, key)
    if (key === "__proto__" || (key === "constructor" && typeof value === "object")) return "ForbiddenKey"
    const found = problem(value, depth + 1)
    if (found !== undefined) return found
  }
}
