/**
 * Lengths of time as text.
 *
 * @since 0.1.0
 */

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000]
] as const

/**
 * Splits a time in milliseconds into a number, with one digit after the point at most, and
 * its unit.
 *
 * @category formatting
 * @since 0.1.0
 */
export const parts = (millis: number): readonly [value: string, unit: string] => {
  const [unit, size] = units.find(([, size]) => millis >= size) ?? ["ms", 1]
  return [String(Number((millis / size).toFixed(1))), unit]
}

/**
 * Formats a time in milliseconds, such as `1.5 s`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (millis: number): string => parts(millis).join(" ")
