import { assert } from "@effect/vitest"

const tries = 5
const factor = 16

/** Milliseconds of the processor, and not of the clock, which goes on while others run. */
const timeOf = (run: (size: number) => void, size: number): number => {
  const before = process.cpuUsage()
  run(size)
  return process.cpuUsage(before).user / 1000
}

/** The least of several times: what else the process does can only add to one. */
const leastTimeOf = (run: (size: number) => void, size: number): number =>
  Math.min(...Array.from({ length: tries }, () => timeOf(run, size)))

/**
 * Fails where 16 times the size costs much more than 16 times the time. A quadratic cost
 * would be 256 times.
 */
export const assertLinear = (run: (size: number) => void, size: number, what = ""): void => {
  leastTimeOf(run, size)
  const [small, large] = [leastTimeOf(run, size), leastTimeOf(run, factor * size)]
  assert.isBelow(large, 4 * factor * small + 20, `${what}: ${small} ms for ${size}, ${large} ms for ${factor * size}`)
}
