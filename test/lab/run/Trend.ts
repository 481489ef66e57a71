/** The change of a value over time. */
export interface Trend {
  /** The mean. */
  readonly level: number
  /** The growth in an hour. */
  readonly perHour: number
  /** The standard error of the growth. */
  readonly error: number
}

/** A value, and the time in milliseconds at which it was measured. */
export type Sample = readonly [at: number, value: number]

const hour = 3_600_000

const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Fits a straight line to samples by least squares. */
export const of = (samples: ReadonlyArray<Sample>): Trend => {
  const [middle, level] = [mean(samples.map(([at]) => at)), mean(samples.map(([, value]) => value))]
  const spread = samples.reduce((sum, [at]) => sum + (at - middle) ** 2, 0)
  const slope = samples.reduce((sum, [at, value]) => sum + (at - middle) * (value - level), 0) / spread
  const rest = samples.reduce((sum, [at, value]) => sum + (value - level - slope * (at - middle)) ** 2, 0)
  return { level, perHour: slope * hour, error: Math.sqrt(rest / (samples.length - 2) / spread) * hour }
}
