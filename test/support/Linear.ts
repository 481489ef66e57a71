import { assert } from "@effect/vitest"

const tries = 5
const factor = 16

/**
 * Milliseconds of the processor, and not of the clock, which goes on while others run. Some systems count them in steps of
 * several milliseconds, so a short run needs repetitions.
 */
const timeOf = (run: () => void): number => {
  const before = process.cpuUsage()
  run()
  return process.cpuUsage(before).user / 1000
}

/** The least of several times: all else that the process does can only add to one. */
export const leastTimeOf = (run: () => void): number => Math.min(...Array.from({ length: tries }, () => timeOf(run)))

/**
 * Fails where 16 times the size costs much more than 16 runs of the size. A quadratic cost would be 16 times as much.
 */
export const assertLinear = (run: (size: number) => void, size: number, what = ""): void => {
  const several = () => {
    for (let i = 0; i < factor; i++) run(size)
  }
  several()
  const [small, large] = [leastTimeOf(several), leastTimeOf(() => run(factor * size))]
  assert.isBelow(
    large,
    4 * small + 20,
    `${what}: ${small} ms for ${factor} × ${size}, ${large} ms for ${factor * size}`
  )
}
