/**
 * Checks a parsed JSON value that nobody trusts, before anything recursive sees it.
 *
 * @internal
 */

/** Deeper than any event has a reason to be, and far from the end of the stack. */
const maxDepth = 100

const isObject = (u: unknown): u is object => typeof u === "object" && u !== null

/**
 * Says what is wrong with the shape of a value, if anything: nested too deep, or
 * with keys that pollute prototypes when someone merges them.
 */
export const problem = (root: unknown): "TooDeep" | "ForbiddenKey" | undefined => {
  let level: Array<object> = isObject(root) ? [root] : []
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) return "TooDeep"
    const next: Array<object> = []
    for (const node of level) {
      if (Array.isArray(node)) {
        for (const item of node) if (isObject(item)) next.push(item)
        continue
      }
      for (const [key, value] of Object.entries(node)) {
        if (key === "__proto__" || (key === "constructor" && isObject(value))) return "ForbiddenKey"
        if (isObject(value)) next.push(value)
      }
    }
    level = next
  }
}
