/** The place of a problem in a JSON value. */

const word = /^[A-Za-z_$][A-Za-z0-9_$]*$/

/** Formats a place, such as `items[2].price`. */
export const pathText = (path: ReadonlyArray<string | number>): string =>
  path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`
      if (!word.test(part)) return `[${JSON.stringify(part)}]`
      return index === 0 ? part : `.${part}`
    })
    .join("")
