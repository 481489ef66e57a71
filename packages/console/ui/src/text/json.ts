/** JSON whose numbers are shown as they were written. */

/** A number that JavaScript would round. */
class Exact {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  toString(): string {
    return this.text
  }
}

/** Whether a value is a number that JavaScript would round. */
export const isExact = (value: unknown): value is Exact => value instanceof Exact

/** Parses JSON. `undefined`: it is none. */
export const parseJson = (text: string): { readonly json: unknown } | undefined => {
  const exact = (_: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === "number" && context?.source !== undefined && String(value) !== context.source
      ? new Exact(context.source)
      : value
  try {
    return { json: JSON.parse(text, exact) }
  } catch {
    return undefined
  }
}
