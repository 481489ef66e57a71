/**
 * Reads and replaces one member of a JSON object. Every other byte is kept: numbers keep
 * the precision and the spelling of their writer.
 *
 * @internal
 */

/** Returns whether the quote at `at` is part of its string: an odd number of backslashes is before it. */
const isEscaped = (text: string, at: number): boolean => {
  let first = at
  while (text[first - 1] === "\\") first--
  return (at - first) % 2 === 1
}

/** Returns the end of the string that starts at `start`. */
const skipString = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end + 1
}

const skipSpace = (text: string, start: number): number => {
  let i = start
  while (i < text.length && " \t\n\r".includes(text.charAt(i))) i++
  return i
}

/** Returns whether a JSON string, which may be escaped, is `key`. */
const says = (string: string, key: string): boolean =>
  string === `"${key}"` || (string.includes("\\") && JSON.parse(string) === key)

/**
 * Returns the start of the value of the member `key`. Of two members of the same name
 * the last one counts, as for `JSON.parse`.
 */
const findValue = (text: string, key: string): number | undefined => {
  let found: number | undefined
  let depth = 0
  let i = text.indexOf("{")
  while (i < text.length) {
    const char = text[i]
    if (char === '"') {
      const end = skipString(text, i)
      const colon = depth === 1 ? skipSpace(text, end) : end
      if (text[colon] === ":" && depth === 1 && says(text.slice(i, end), key)) found = skipSpace(text, colon + 1)
      i = end
      continue
    }
    if (char === "{" || char === "[") depth++
    else if (char === "}" || char === "]") depth--
    i++
  }
  return found
}

/** Returns the end of the value that starts at `start`. */
const skipValue = (text: string, start: number): number => {
  if (!'"{['.includes(text.charAt(start))) return start + text.slice(start).search(/[,}\s]/)
  let depth = 0
  let i = start
  do {
    const char = text[i]
    if (char === "{" || char === "[") depth++
    else if (char === "}" || char === "]") depth--
    i = char === '"' ? skipString(text, i) : i + 1
  } while (depth > 0 && i < text.length)
  return i
}

/**
 * Returns the text of the member `key` of a JSON object, if it has one. The text must be
 * valid JSON.
 */
export const get = (text: string, key: string): string | undefined => {
  const from = findValue(text, key)
  return from === undefined ? undefined : text.slice(from, skipValue(text, from))
}

/**
 * Sets the member `key` of a JSON object to a value. Both texts must be valid JSON.
 */
export const set = (text: string, key: string, value: string): string => {
  const from = findValue(text, key)
  if (from !== undefined) return `${text.slice(0, from)}${value}${text.slice(skipValue(text, from))}`
  const last = text.lastIndexOf("}")
  const comma = /\{\s*$/.test(text.slice(0, last)) ? "" : ","
  return `${text.slice(0, last)}${comma}${JSON.stringify(key)}:${value}${text.slice(last)}`
}
