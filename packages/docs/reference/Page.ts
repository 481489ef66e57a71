/** The first sentence of a text, in one line. */
export const firstSentence = (text: string) => {
  const line = (text.split("\n\n")[0] ?? "").replace(/\s+/g, " ").trim()
  return /^.+?[.!?](?= [A-Z`]|$)/.exec(line)?.[0] ?? line
}

/** A text as a value of front matter. */
const quoted = (text: string) => JSON.stringify(text.replace(/`/g, ""))

/** A page for the site, with the title and the description that search engines and readers see. */
export const page = (title: string, description: string, body: string) =>
  `---\ntitle: ${quoted(title)}\ndescription: ${quoted(description)}\n---\n\n${body.trim()}\n`

/** A text as a cell of a table. */
export const cell = (text: string) => text.replace(/\s+/g, " ").replaceAll("|", "\\|")
