/** Runs a program on a bus, step by step, and compares what can be seen with the model. */

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Model, orderOf } from "./Model.ts"
import * as Observation from "./Observation.ts"
import { expires, isDelayed } from "./Program.ts"
import type { Operation, Program } from "./Program.ts"
import * as Subject from "./Subject.ts"

/** How long to wait for a broker. */
export interface Pace {
  /** The time in milliseconds for which a requester waits that gets no reply. A request that took longer was never seen. */
  readonly silence: number
  /** The number of looks before a difference is final. */
  readonly looks: number
  /** Lets some time pass before the next look. */
  readonly patience: Effect.Effect<void>
  /** Lets time pass after an operation: enough for events to expire or to be due, where there may be such. */
  readonly settle: (mayExpire: boolean, isDelayed: boolean) => Effect.Effect<void>
  /** Ends when an operation has taken too long. */
  readonly deadline: Effect.Effect<void>
}

/** The bus differs from the model. */
export class Mismatch extends Schema.TaggedError<Mismatch>()("Mismatch", {
  /** The number of operations until then. */
  step: Schema.Int,
  when: Schema.String,
  differences: Schema.Array(Schema.String)
}) {
  override get message() {
    return [`${this.when}:`, ...this.differences].join("\n   ")
  }
}

/** In the end every subscription stops, which returns what is not settled. Then the dead letters are consumed. */
const ending = ({ queues }: Program): ReadonlyArray<readonly [when: string, operation: Operation]> => {
  const each = (f: (queue: number) => Operation) => [...queues.keys()].map(f)
  const look = { _tag: "Start", letters: true, differs: false, pattern: undefined } as const
  return [
    ...each((queue) => ({ _tag: "Stop", queue, letters: false })).map((op) => ["when all is stopped", op] as const),
    ...each((queue) => ({ ...look, queue })).map((op) => ["when the dead letters are consumed", op] as const),
    ...each((queue) => ({ _tag: "Stop", queue, letters: true })).map((op) => ["in the end", op] as const)
  ]
}

const count = (handled: Observation.Observation["handled"]) => Object.values(handled).flat().length

/** Runs a program, and waits after each operation until the bus agrees with the model. */
export const run = Effect.fnUntraced(function* (program: Program, pace: Pace) {
  const model = new Model(program)
  const subject = yield* Subject.make(program, pace.silence)
  for (const queue of program.queues.keys()) yield* subject.start(queue)
  const steps = program.operations.map((operation, at) => [`after step ${at + 1}`, operation] as const)
  const all = [...steps, ...ending(program)]
  for (const [at, [when, operation]] of all.entries()) {
    const expected = model.step(operation)
    const results = yield* Effect.raceFirst(
      subject.perform(operation, expected),
      Effect.as(pace.deadline, ["no answer"])
    )
    yield* pace.settle(expires(operation) || at === all.length - 1, isDelayed(operation))
    const names = Object.keys(expected.queues)
    for (let look = 1; ; look++) {
      const handled = Observation.handled(subject.sights(), orderOf(operation))
      const actual = { results, answers: subject.answers(), handled, queues: yield* subject.queues(names) }
      const differences = Observation.difference(expected, actual)
      if (differences.length === 0) break
      // More looks cannot unsee an event.
      const isOver = look === pace.looks || count(handled) > count(expected.handled)
      if (isOver) return yield* new Mismatch({ step: Math.min(at + 1, steps.length), when, differences })
      yield* pace.patience
    }
  }
})
