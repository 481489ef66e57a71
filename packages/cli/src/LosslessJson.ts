/**
 * JSON whose numbers keep every digit: a number that JavaScript cannot represent as it
 * was written, such as `9007199254740993` or `1.0`, is written again as it was read.
 *
 * @since 0.1.0
 */

import type * as Schema from "effect/Schema"

declare global {
  interface JSON {
    /** Missing in Node 20. */
    readonly rawJSON?: ((text: string) => Schema.JsonObject) | undefined
    parse(
      text: string,
      reviver: (key: string, value: Schema.Json, context?: { readonly source?: string }) => Schema.Json
    ): Schema.Json
  }
}

const keepDigits = (_key: string, value: Schema.Json, context?: { readonly source?: string }): Schema.Json =>
  typeof value !== "number" || context?.source === undefined || String(value) === context.source
    ? value
    : (JSON.rawJSON?.(context.source) ?? value)

/**
 * Parses a text for `JSON.stringify`. A number that JavaScript would change becomes an
 * object that stands for its text, so the result is for writing, not for computing. Node
 * 20 cannot do this: there the numbers are JavaScript's.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (text: string): Schema.Json => JSON.parse(text, keepDigits)

const isObject = (json: Schema.Json): json is Schema.JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const hasLostDigits = (json: Schema.Json): boolean => {
  if (typeof json === "number") return Number.isInteger(json) && !Number.isSafeInteger(json)
  return typeof json === "object" && json !== null && Object.values(json).some(hasLostDigits)
}

/**
 * Parses the text of an object. Throws a `RangeError` for any other text, and on Node 20
 * for an integer that would lose digits.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parseObject = (text: string): Schema.JsonObject => {
  let json: Schema.Json
  try {
    json = parse(text)
  } catch {
    throw new RangeError("it is not JSON")
  }
  if (!isObject(json)) throw new RangeError("it is not a JSON object")
  if (JSON.rawJSON === undefined && hasLostDigits(json)) {
    throw new RangeError("it has an integer that needs Node 22 or later to keep its digits")
  }
  return json
}
