import { Logger } from "effect"

/** What is logged, and a layer to log it by. */
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
