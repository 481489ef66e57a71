/**
 * Random programs: whatever is done with a bus, it is what the model says.
 *
 * A program that shows otherwise is made as small as it goes, and printed.
 * `EVENTBUS_PROGRAMS` says how many are run, `EVENTBUS_SEED` makes the same again.
 */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Layer, References } from "effect"
import type { Harness } from "./Harness.ts"
import * as Program from "./programs/Program.ts"
import { Mismatch, type Pace, run } from "./programs/Run.ts"

export interface Options extends Pace {
  readonly programs: number
  /** How many run at a time. */
  readonly concurrency: number
  /** How many simpler programs are tried, once one has failed. */
  readonly maxShrinks: number
  /** Whether time is the test's to move. */
  readonly clock: "test" | "real"
}

const seed = process.env["EVENTBUS_SEED"] ?? `${Math.trunc(Math.random() * 2 ** 31)}`

/** A program up to where it went wrong, and what was wrong there. */
const report = (program: Program.Program, error: unknown): ReadonlyArray<string> =>
  error instanceof Mismatch
    ? [Program.print({ ...program, operations: program.operations.slice(0, error.step) }), error.message]
    : [Program.print(program), String(error)]

export const programming = (harness: Harness, options: Options): void => {
  const { clock, concurrency, maxShrinks } = options
  const runs = Number(process.env["EVENTBUS_PROGRAMS"] ?? options.programs)
  const layer = Layer.provideMerge(harness.bus(), harness.names)
  const test = clock === "test" ? it.effect : it.live

  const isAsTheModelSays = (program: Program.Program) =>
    run(program, options).pipe(
      Effect.scoped,
      Effect.provide(layer, { local: true }),
      // What is dead-lettered and discarded on purpose is nothing to warn of.
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.catchDefect((defect) => Effect.fail(defect)),
      Effect.as(true)
    )

  describe.skipIf(harness.skip)(`random programs (${harness.name})`, () => {
    test(
      `${runs} programs do what the model says`,
      () =>
        Effect.map(
          Arbitrary.checkEffect(Program.arbitrary, isAsTheModelSays, { runs, concurrency, maxShrinks, seed, size: 14 }),
          (result) => {
            if (result._tag !== "Falsified") return assert.strictEqual(result._tag, "Passed")
            const error = result.failure._tag === "PropertyError" ? result.failure.error : undefined
            const replay = `To see it again: EVENTBUS_SEED=${seed} EVENTBUS_PROGRAMS=${runs}`
            return assert.fail(
              [`${harness.name} is not as the model says:`, ...report(result.shrunkInput, error), replay].join("\n")
            )
          }
        ),
      3_600_000
    )
  })
}
