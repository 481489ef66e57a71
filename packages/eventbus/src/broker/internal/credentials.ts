/**
 * Removes credentials from texts that end in logs, headers and spans. `Fault` lists the
 * forms. All scans move forward and look ahead for a bounded distance, so that the time
 * is linear.
 *
 * @internal
 */

const hidden = "***"

/** The number of characters in which a password with blanks must end. */
const reach = 128

const isEscaped = (text: string, at: number): boolean => text[at - 1] === "\\"

const find = (text: string, pattern: RegExp, from: number): number => {
  pattern.lastIndex = from
  const match = pattern.exec(text)
  return match === null ? text.length : match.index
}

// --- Logins of URLs ---

const afterWord = /[\s"'`<>]/g

/** Returns whether a text between `://` and `@` is a login: it is, unless a path begins before it. */
const isLogin = (text: string): boolean => /(^|:\/\/)[^/]*([:@]|$)/.test(text)

/** Returns whether a word is the address of a host, so that no password follows its colon. */
const isAddress = (word: string, isClosed: boolean): boolean => {
  const colon = word.indexOf(":")
  const host = word.slice(0, colon)
  if (colon < 0 || host.includes("/") || host.startsWith("[")) return true
  const rest = word.slice(colon + 1)
  if (/^\d{1,5}[/?#]/.test(rest)) return true
  return /^(\d{1,5})?[.,;:!)\]}\\]*$/.test(rest) && (isClosed || host.includes(".") || host === "localhost")
}

/** Returns the index of the `@` that ends the login of a URL, or -1 if the URL has no login. */
const endOfLogin = (text: string, start: number): number => {
  const scheme = /[\w+.-]{0,32}$/.exec(text.slice(Math.max(0, start - 35), start - 3))?.[0] ?? ""
  const open = start - 4 - scheme.length
  const quote = /["'`<]/.test(text.charAt(open)) ? text[open] : undefined
  const isClosedAt = (end: number) =>
    quote !== undefined &&
    text[end] === (quote === "<" ? ">" : quote) &&
    isEscaped(text, end) === isEscaped(text, open) &&
    /^[^\w@]?$/.test(text.charAt(end + 1))
  let end = find(text, afterWord, start)
  let at = text.slice(start, end).lastIndexOf("@")
  if (at >= 0 && !isLogin(text.slice(start, start + at))) at = -1
  if (at < 0 && isAddress(text.slice(start, end), isClosedAt(end))) return -1
  // A quote or a blank ends a URL, unless it is part of the password. After a path or a port, it is not.
  while (at < 0 || (!isClosedAt(end) && !/[/:?#]/.test(text.slice(start + at, end)))) {
    const [ahead = ""] = text.slice(end, start + reach).split("\n", 1)
    const next = ahead.indexOf("@")
    if (next < 0) break
    end = find(text, afterWord, end + next)
    at = text.slice(start, end).lastIndexOf("@")
  }
  return at < 0 ? -1 : start + at
}

const withoutLogins = (text: string): string => {
  let clean = ""
  let done = 0
  let next = text.indexOf("://")
  while (next >= 0) {
    const start = next + 3
    const end = endOfLogin(text, start)
    if (end >= 0) {
      clean += `${text.slice(done, start)}${hidden}`
      done = end
    }
    next = text.indexOf("://", end >= 0 ? end : find(text, afterWord, start))
  }
  return clean + text.slice(done)
}

// --- Values with a name ---

const phrases = "password|passwd|passphrase|passcode|pwd|(?<![a-z])pass|identified by"
const keys = "secret|token|(?:api|access|account|secret|private|auth)[ _-]?key"
/** Matches a name, the quote that may end it, and a sign or a blank before its value. */
const named = new RegExp(
  `(?:(${phrases})|(${keys})|authorization)(\\\\{0,4}["'\`]?)(\\s{0,8}(?:=>?|:|>)\\s{0,8}|\\s{1,8})`,
  "gi"
)

const openQuote = /\\{0,4}["'`]/y
const isClosing = `["'\`](?=[\\s,;:)\\]}]|$)`
const ends = {
  /** The end of `name=value`. */
  assigned: new RegExp(`[\\s;&]|${isClosing}`, "g"),
  /** The end of `name: value`, if values have no blanks. */
  word: new RegExp(`[\\s;]|,(?=["'])|[}\\])](?=[\\s,;]|$)|${isClosing}`, "g"),
  /** The end of `name: value`, if values may have blanks. */
  phrase: new RegExp(`[\\n;]|,(?=[\\s"'])|[}\\])](?=[\\s,;]|$)|${isClosing}`, "g"),
  /** The end of `;name=value`. */
  listed: new RegExp(`[\\n;]|${isClosing}`, "g"),
  element: /</g,
  line: /\n/g
}

/** Returns the end of a value in quotes. The quotes may be escaped themselves. */
const endOfQuoted = (text: string, start: number, quote: string): number => {
  for (let at = text.indexOf(quote, start); at >= 0; at = text.indexOf(quote, at + 1)) {
    if (quote.length > 1) {
      if (!isEscaped(text, at)) return at
      continue
    }
    let backslashes = 0
    while (text[at - 1 - backslashes] === "\\") backslashes++
    if (backslashes % 2 === 1) continue
    // Connection strings double a quote that belongs to the value.
    if (at > start && text[at + 1] === quote) at++
    else return at
  }
  return text.length
}

/** Returns the end of a value without quotes. */
const endOfBare = (text: string, start: number, nameStart: number, sign: string, isPhrase: boolean): number => {
  if (sign === ">") return find(text, ends.element, start)
  if (sign === ":") return find(text, isPhrase ? ends.phrase : ends.word, start)
  const isListed = /;[\w .-]*$/.test(text.slice(Math.max(0, nameStart - 32), nameStart))
  const ahead = text.slice(start, start + reach)
  const isBeforeNext = isPhrase && /^[^;=\n]*;/.test(ahead)
  return find(text, isListed || isBeforeNext ? ends.listed : ends.assigned, start)
}

const scheme = /(?:(basic|bearer|token|negotiate|apikey)|[a-z][\w-]*)\s+/iy

/** Returns the start and the end of the value to hide. */
const secretOf = (text: string, match: RegExpExecArray): readonly [start: number, end: number] | undefined => {
  const [whole, phrase, key, , separator = ""] = match
  const start = match.index + whole.length
  const sign = separator.trim().at(-1) ?? ""
  openQuote.lastIndex = start
  const quote = openQuote.exec(text)?.[0]
  const isFlag = sign === "" && /--[\w-]*$/.test(text.slice(Math.max(0, match.index - 32), match.index))
  if (sign === "" && !isFlag && !(phrase !== undefined && quote !== undefined)) return undefined
  if (quote !== undefined) return [start + quote.length, endOfQuoted(text, start + quote.length, quote)]
  if (phrase === undefined && key === undefined) {
    scheme.lastIndex = start
    const [kept = "", isOneWord] = scheme.exec(text) ?? []
    const from = start + kept.length
    return [from, find(text, isOneWord === undefined && kept !== "" ? ends.line : ends.word, from)]
  }
  const end = endOfBare(text, start, match.index, sign, phrase !== undefined)
  return /^(?:null|undefined|[[{]|$)/.test(text.slice(start, Math.min(end, start + 9))) ? undefined : [start, end]
}

const withoutNamed = (text: string): string => {
  let clean = ""
  let done = 0
  named.lastIndex = 0
  for (let match = named.exec(text); match !== null; match = named.exec(text)) {
    const found = secretOf(text, match)
    if (found === undefined) continue
    const [start, end] = found
    if (end > start) {
      clean += `${text.slice(done, start)}${hidden}`
      done = end
    }
    named.lastIndex = end
  }
  return clean + text.slice(done)
}

/** Returns whether a word belongs to no language: it has digits or signs, or a capital in its middle. */
const isOpaque = (word: string): boolean => word.length > 3 && /[a-z][A-Z]|[\d+/=_.~-]./.test(word)

const withoutSchemes = (text: string): string =>
  text.replace(/\b(Bearer|Basic)(\s{1,8})([\w.~+/=-]+)/gi, (whole, name: string, blank: string, word: string) =>
    isOpaque(word) ? `${name}${blank}${hidden}` : whole
  )

/** Returns the text without credentials. */
export const withoutCredentials = (text: string): string => withoutSchemes(withoutNamed(withoutLogins(text)))
