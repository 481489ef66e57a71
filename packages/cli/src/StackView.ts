/**
 * A stack whose first frames are those of the application. The frames of Node and of
 * installed packages are counted.
 *
 * @since 0.1.0
 */

import { counted } from "./Output.ts"

const frame = /^\s*at /
const ofNode = /\(?node:|\(native\)|<anonymous>/
/** The name of a package after the last folder of packages, which pnpm has two of. */
const ofPackage = /^.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/

/** Returns the package that a frame belongs to, or `undefined` for the application. */
const originOf = (line: string): string | undefined =>
  ofPackage.exec(line)?.[1]?.replace("\\", "/") ?? (ofNode.test(line) ? "Node" : undefined)

/**
 * Folds the frames of a stack that are not the application's. Each run of frames, as that
 * of a cause, keeps its place.
 *
 * @category formatting
 * @since 0.1.0
 */
export const fold = (
  stack: string,
  /** Formats a line that stands for frames. */
  dim: (text: string) => string
): string => {
  const lines: Array<string> = []
  let hidden: Array<string> = []
  const close = () => {
    if (hidden.length > 0) {
      const origins = [...new Set(hidden)].join(", ")
      lines.push(dim(`    … ${counted(hidden.length, "frame")} of ${origins} (all: --json)`))
    }
    hidden = []
  }
  for (const line of stack.split("\n")) {
    const isFrame = frame.test(line)
    if (!isFrame) close()
    const origin = isFrame ? originOf(line) : undefined
    if (origin === undefined) lines.push(line)
    else hidden.push(origin)
  }
  close()
  return lines.join("\n")
}
