/** The frames of a stack, apart by whose they are. */

const frame = /^\s*at /
const ofNode = /\(?node:|\(native\)|<anonymous>/
const ofPackage = /^.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/

const originOf = (line: string): string | undefined =>
  ofPackage.exec(line)?.[1] ?? (ofNode.test(line) ? "Node" : undefined)

/** Lines that stand together. */
export interface Run {
  readonly isOwn: boolean
  readonly lines: ReadonlyArray<string>
  readonly origins: ReadonlyArray<string>
}

/** Joins lines that stand together and are either all the application's, or none of them. */
export const runsOf = (stack: string): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const line of stack.split("\n")) {
    const origin = frame.test(line) ? originOf(line) : undefined
    const last = runs.at(-1)
    if (last !== undefined && last.isOwn === (origin === undefined)) {
      const origins = origin === undefined || last.origins.includes(origin) ? last.origins : [...last.origins, origin]
      runs[runs.length - 1] = { ...last, lines: [...last.lines, line], origins }
    } else runs.push({ isOwn: origin === undefined, lines: [line], origins: origin === undefined ? [] : [origin] })
  }
  return runs
}
