/** The difference between two texts, line by line. */

/** A line of either text. */
export interface Line {
  readonly kind: "same" | "gone" | "new"
  readonly text: string
}

/** More cells than this would take too long: the texts are then shown one after the other. */
const maxCells = 4_000_000

/** Returns the lines of both texts, in the order of the second. */
export const diff = (before: string, after: string): ReadonlyArray<Line> => {
  const a = before.split("\n")
  const b = after.split("\n")
  const gone = a.map((text): Line => ({ kind: "gone", text }))
  const added = b.map((text): Line => ({ kind: "new", text }))
  if (a.length * b.length > maxCells) return [...gone, ...added]
  const width = b.length + 1
  const lengths = new Uint32Array((a.length + 1) * width)
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const lines: Array<Line> = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const left = a[i]
    const right = b[j]
    if (left !== undefined && left === right) {
      lines.push({ kind: "same", text: left })
      i++
      j++
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: "gone", text: left })
      i++
    } else {
      lines.push({ kind: "new", text: right ?? "" })
      j++
    }
  }
  return lines
}
