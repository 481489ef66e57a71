/**
 * Checks a parsed JSON value of an untrusted body, before anything recursive reads it.
 *
 * @internal
 */

/** Deeper than any sensible event, and far from a stack overflow. */
const maxDepth = 100

const isObject = (u: unknown): u is Readonly<Record<string, unknown>> => typeof u === "object" && u !== null

/**
 * Returns whether a member pollutes prototypes when its object is merged into another one.
 * A `constructor` does so by its `prototype` alone. Without one it is ordinary data.
 */
const pollutes = (key: string, value: unknown): boolean =>
  key === "__proto__" || (key === "constructor" && isObject(value) && Object.hasOwn(value, "prototype"))

/**
 * Returns the problem of a value's shape, if any: it is nested too deep, or has members
 * that pollute prototypes.
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
