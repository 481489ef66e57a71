/**
 * Random programs, each run on a bus and on a model, whose behaviour must agree.
 *
 * A program that shows a difference is made as small as possible, and printed.
 * `EVENTBUS_PROGRAMS` sets the number of programs, `EVENTBUS_SEED` repeats those of
 * an earlier run.
 */

import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import type { BrokerUnderTest } from "../contract/BrokerUnderTest.ts"
import { patienceOf } from "../contract/Patience.ts"
import { services } from "../contract/Suite.ts"
import * as Program from "./Program.ts"
import { Mismatch, type Pace, run } from "./Run.ts"

/** The number of programs to run on a broker, and their pace. */
interface Plan extends Pace {
  readonly programs: number
  /** The number of programs that run at once. */
  readonly concurrency: number
  /** The number of simpler programs to try when one has failed. */
  readonly maxShrinks: number
}

/** On the test clock, waiting takes no time. */
const onTestClock = (patience: number): Plan => ({
  programs: 1000,
  concurrency: 1,
  maxShrinks: 3000,
  silence: 1000,
  looks: 1000,
  patience: TestClock.adjust("20 millis"),
  settle: () => TestClock.adjust(5 * Program.ttl),
  deadline: TestClock.withLive(Effect.sleep(patience))
})

const inRealTime = (patience: number): Plan => ({
  programs: 30,
  concurrency: 4,
  // Each that fails takes the whole patience.
  maxShrinks: 50,
  // A busy machine may need some of it until the request is published.
  silence: patience / 6,
  looks: patience / 10,
  patience: Effect.sleep("10 millis"),
  // An event that no queue is bound for leaves no trace when it is due.
  settle: (mayExpire, isDelayed) =>
    Effect.sleep((mayExpire ? 1.2 * Program.ttl : 0) + (isDelayed ? Program.delay + 1000 : 0)),
  deadline: Effect.sleep(2 * patience)
})

const seed = process.env["EVENTBUS_SEED"] ?? `${Math.trunc(Math.random() * 2 ** 31)}`

/** Prints a program up to the step that went wrong, and what was wrong there. */
const report = (program: Program.Program, error: unknown): ReadonlyArray<string> =>
  error instanceof Mismatch
    ? [Program.print({ ...program, operations: program.operations.slice(0, error.step) }), error.message]
    : [Program.print(program), String(error)]

/** Declares the test that runs random programs on a broker. */
export const randomPrograms = (broker: BrokerUnderTest): void => {
  const { features, name, programs, skip } = broker
  const plan = (features.testClock ? onTestClock : inRealTime)(patienceOf(broker))
  const { concurrency, maxShrinks } = plan
  const runs = Number(process.env["EVENTBUS_PROGRAMS"] ?? programs ?? plan.programs)
  const layer = services(broker)
  const test = features.testClock ? it.effect : it.live

  const isAsTheModelSays = (program: Program.Program) =>
    run(program, plan).pipe(
      Effect.scoped,
      Effect.provide(layer, { local: true }),
      // Dead letters and discarded events are intended here.
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.catchDefect((defect) => Effect.fail(defect)),
      Effect.as(true)
    )

  describe.skipIf(skip)(`random programs (${name})`, () => {
    test(
      `${runs} programs behave as the model says`,
      () =>
        Effect.map(
          Arbitrary.checkEffect(Program.arbitrary, isAsTheModelSays, { runs, concurrency, maxShrinks, seed, size: 14 }),
          (result) => {
            if (result._tag !== "Falsified") return assert.strictEqual(result._tag, "Passed")
            const error = result.failure._tag === "PropertyError" ? result.failure.error : undefined
            const replay = `To repeat it: EVENTBUS_SEED=${seed} EVENTBUS_PROGRAMS=${runs}`
            return assert.fail(
              [`${name} differs from the model:`, ...report(result.shrunkInput, error), replay].join("\n")
            )
          }
        ),
      3_600_000
    )
  })
}
