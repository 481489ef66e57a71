/**
 * Checks a parsed JSON value that nobody trusts, before anything recursive sees it.
 *
 * @internal
 */

/** Deeper than any event has a reason to be, and far from the end of the stack. */
const maxDepth = 100

const isObject = (u: unknown): u is Readonly<Record<string, unknown>> => typeof u === "object" && u !== null

/**
 * Whether a member pollutes prototypes where its object is merged into another one. A
 * `constructor` does by its `prototype` alone: without one it is data as any other.
 */
const pollutes = (key: string, value: unknown): boolean =>
  key === "__proto__" || (key === "constructor" && isObject(value) && Object.hasOwn(value, "prototype"))

/**
 * Says what is wrong with the shape of a value, if anything: nested too deep, or
 * with members that pollute prototypes.
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
    if (pollutes(key, value)) return "ForbiddenKey"
    const found = isObject(value) ? problemOf(value, depth + 1) : undefined
    if (found !== undefined) return found
  }
}
