/**
 * Replaces one member of a JSON object without touching any other byte of it:
 * numbers keep the precision and the spelling that their writer gave them.
 *
 * @internal
 */

/** The end of the string that starts at `start`. */
const skipString = (text: string, start: number): number => {
  let i = start + 1
  while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1
  return i + 1
}

/** Sets the number member `key` of the JSON object `text`, which must be valid JSON. */
export const setNumber = (text: string, key: string, value: number): string => {
  const quoted = JSON.stringify(key)
  let depth = 0
  let found: { readonly from: number; readonly to: number } | undefined
  let i = text.indexOf("{")
  while (i < text.length) {
    const char = text[i]
    if (char === '"') {
      const end = skipString(text, i)
      const colon = depth === 1 ? /^\s*:\s*/.exec(text.slice(end, end + 32)) : null
      if (colon !== null && text.slice(i, end) === quoted) {
        const from = end + colon[0].length
        // The last of two members of the same name is the one that counts.
        found = { from, to: from + (/^[^,}\s]*/.exec(text.slice(from, from + 64))?.[0].length ?? 0) }
        i = found.to
      } else {
        i = end
      }
      continue
    }
    if (char === "{" || char === "[") depth++
    else if (char === "}" || char === "]") depth--
    i++
  }
  if (found !== undefined) return `${text.slice(0, found.from)}${value}${text.slice(found.to)}`
  const last = text.lastIndexOf("}")
  const comma = /\{\s*$/.test(text.slice(0, last)) ? "" : ","
  return `${text.slice(0, last)}${comma}${quoted}:${value}${text.slice(last)}`
}
