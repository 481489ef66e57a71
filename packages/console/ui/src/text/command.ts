/** The command line that does the same as a page or a button. */
import { escape } from "./escape.ts"

const plain = /^[A-Za-z0-9_@%+=:,./-]+$/
// oxlint-disable-next-line no-control-regex
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

const quote = (word: string): string => {
  if (plain.test(word)) return word
  if (!hidden.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`
  const text = [...word].map((character) => {
    if (character === "'" || character === "\\") return `\\${character}`
    if (!hidden.test(character)) return character
    return escape(character).replace(/\\u\{(.*)\}/, (_, code: string) => `\\U${code.padStart(8, "0")}`)
  })
  return `$'${text.join("")}'`
}

/** Flags of a command. `true` stands alone; `undefined` and `false` are left out. */
export type Flags = Readonly<Record<string, string | number | boolean | undefined>>

/** Returns a line of a shell, in which every word of others is quoted. */
export const command = (words: ReadonlyArray<string>, flags: Flags = {}): string => {
  const options = Object.entries(flags).flatMap(([name, value]) => {
    if (value === undefined || value === false || value === "") return []
    return value === true ? [`--${name}`] : [`--${name}`, quote(String(value))]
  })
  return ["eventbus", ...words.map(quote), ...options].join(" ")
}
