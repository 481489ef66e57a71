/** Characters that cannot be seen, or that turn text around, as escapes. */

/** Controls, formats, private and lone halves, and spaces and letters without a shape. */
const kinds =
  "\\p{Cc}\\p{Cf}\\p{Cs}\\p{Co}\\p{Zl}\\p{Zp}\\u00a0\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u3164\\uffa0\\ufe00-\\ufe0f"

/** Runs of characters that are shown as escapes. */
export const unseen = new RegExp(`([${kinds}]+)`, "gu")

/** The same, but line breaks and tabs stay. */
export const unseenBetweenLines = new RegExp(`((?:(?![\\n\\t])[${kinds}])+)`, "gu")

/** Returns the escape of each character of a text. */
export const escape = (text: string): string =>
  [...text]
    .map((character) => {
      const code = character.codePointAt(0) ?? 0
      return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`
    })
    .join("")

/** Returns a text in which nothing is hidden, for places that take text alone. */
export const visible = (text: string): string => text.replace(unseen, escape)
