/** Variants of the same work, measured in turns. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

export interface Variant<E, R> {
  readonly name: string
  /** Comes before the run, and is not measured. */
  readonly prepare?: Effect.Effect<unknown, E, R>
  readonly run: Effect.Effect<unknown, E, R>
  /** The units of work, where they are not those of the others. */
  readonly units?: number
}

/** The rates of each variant, in units a second, one for each round. */
export type Rates = ReadonlyMap<string, ReadonlyArray<number>>

export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? Number.NaN
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    const start = performance.now()
    return Effect.map(effect, () => performance.now() - start)
  })

/** Node compiles what a process does often, and a service runs for days. */
const roundsToWarmUp = 3

/** Runs every variant in every round, in a rotated order, after some rounds to warm up. */
export const interleaved = Effect.fnUntraced(function* <E, R>(
  { rounds, units }: { readonly rounds: number; readonly units: number },
  variants: ReadonlyArray<Variant<E, R>>
): Effect.fn.Return<Rates, E, R> {
  const rates = new Map(variants.map(({ name }) => [name, new Array<number>()]))
  for (let round = -roundsToWarmUp; round < rounds; round++) {
    for (let turn = 0; turn < variants.length; turn++) {
      const variant = variants[(turn + round + roundsToWarmUp) % variants.length]
      if (variant === undefined) continue
      if (variant.prepare !== undefined) yield* variant.prepare
      const millis = yield* timed(variant.run)
      if (round >= 0) rates.get(variant.name)?.push(((variant.units ?? units) / millis) * 1000)
    }
  }
  for (const [name, all] of rates) {
    const range = `${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)}`
    yield* Console.log(`${name.padEnd(52)} ${median(all).toFixed(0).padStart(7)} /s  (${range})`)
  }
  return rates
})

/** Compares two variants, round by round. */
export const compare = (rates: Rates, one: string, other: string, target: string): Effect.Effect<void> => {
  const others = rates.get(other) ?? []
  const ratios = (rates.get(one) ?? []).map((rate, round) => rate / (others[round] ?? Number.NaN))
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  return Console.log(`  ${one} : ${other} = ${median(ratios).toFixed(2)} (${range}; ${target})`)
}
