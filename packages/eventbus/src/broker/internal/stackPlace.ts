/**
 * Finds in a stack where the application made an error.
 *
 * @internal
 */

/** Returns whether a file belongs to Node or to an installed package, as Effect and this library do, or is no file. */
const isForeign = (file: string): boolean => /^node:|[\\/]node_modules[\\/]|<anonymous>|^native$/.test(file)

const maxFrames = 100
const maxFrame = 500
/** The longest name before the message in a stack, and the part of the message that is searched for. */
const maxName = 256
const maxCompared = 4096

/** Returns the index of the colon before the number that ends at `end`, or -1 if there is no such number. */
const colonBefore = (line: string, end: number): number => {
  let at = end - 1
  while (line.charCodeAt(at) >= 48 && line.charCodeAt(at) <= 57) at--
  return at < end - 1 && line[at] === ":" ? at : -1
}

/** Returns the parts of `at name (file:line:column)` or `at file:line:column`. The query of a file is left out. */
const frameOf = (line: string) => {
  const text = line.trimStart()
  const end = text.endsWith(")") ? text.length - 1 : text.length
  const column = colonBefore(text, end)
  const position = column < 0 ? -1 : colonBefore(text, column)
  if (position < 0 || !text.startsWith("at ")) return undefined
  const call = text.slice(3, position)
  const parenthesis = call.indexOf(" (")
  const file = parenthesis < 0 ? call : call.slice(parenthesis + 2)
  const query = file.indexOf("?", file.lastIndexOf(":") + 1)
  return {
    name: parenthesis < 0 ? "" : call.slice(0, parenthesis),
    file: query < 0 ? file : file.slice(0, query),
    position: text.slice(position, end)
  }
}

/** Returns the index after the message, because a line of a message may look like a frame. */
const startOfFrames = (stack: string, message: string): number => {
  const at = stack.slice(0, maxName + maxCompared).indexOf(message.slice(0, maxCompared))
  return at < 0 ? 0 : at + message.length
}

/**
 * Returns function, file and line of the first frame of the application, or "" if there is
 * none. Of the path it keeps the last folder and the name, which are the same on every host.
 */
export const placeOf = (stack: string, message: string): string => {
  const start = startOfFrames(stack, message)
  for (const line of stack.slice(start, start + maxFrames * maxFrame).split("\n", maxFrames)) {
    const frame = frameOf(line.slice(0, maxFrame))
    if (frame === undefined || isForeign(frame.file)) continue
    const { file, name, position } = frame
    return `${name.replace(/^async /, "")} ${file.split(/[\\/]/).slice(-2).join("/")}${position}`
  }
  return ""
}
