/**
 * Finds in a stack where the application made an error.
 *
 * @internal
 */

/** Node, what is installed, and what has no file. Effect and this library are installed. */
const isForeign = (file: string): boolean => /^node:|[\\/]node_modules[\\/]|<anonymous>|^native$/.test(file)

const maxFrames = 100
const maxFrame = 500
/** How far into a stack the message is looked for, and how much of it. Before it is the error's name. */
const maxName = 256
const maxCompared = 4096

/** Where the number that ends at `end` starts, and the colon before it; -1 where there is none. */
const colonBefore = (line: string, end: number): number => {
  let at = end - 1
  while (line.charCodeAt(at) >= 48 && line.charCodeAt(at) <= 57) at--
  return at < end - 1 && line[at] === ":" ? at : -1
}

/** The parts of `at name (file:line:column)`, or of `at file:line:column`. What follows a `?` is no part of a file. */
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

/** Where the frames start: what the message says is no frame, however it looks. */
const startOfFrames = (stack: string, message: string): number => {
  const at = stack.slice(0, maxName + maxCompared).indexOf(message.slice(0, maxCompared))
  return at < 0 ? 0 : at + message.length
}

/**
 * Function, file and line of the first frame of the application; empty where there is
 * none. Of the file, its folder and its name are the same on every host.
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
