import { Logger } from "effect"

/** The logged lines, and the layer that logs them. */
export const collect = (onLine: (line: string) => void = () => {}) => {
  const lines: Array<string> = []
  const layer = Logger.layer([
    Logger.make(({ message }) => {
      const line = Array.isArray(message) ? message.join(" ") : String(message)
      lines.push(line)
      onLine(line)
    })
  ])
  return { lines, layer }
}
