/** How long a test waits for what it expects. */

import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { BrokerUnderTest } from "./BrokerUnderTest.ts"

/** The longest time that anything expected may take, in milliseconds. */
export const Patience = Context.Reference<number>("effect-eventbus/testing/Patience", { defaultValue: () => 15_000 })

/** Returns the patience to have with a broker, in milliseconds. */
export const patienceOf = ({ patience = "15 seconds" }: BrokerUnderTest): number =>
  Duration.toMillis(Duration.fromInputUnsafe(patience))

/** Fails when an effect takes longer than anything expected may. */
export const bounded = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Patience, (patience) => Effect.timeout(self, patience))

/** Tries again every 20 milliseconds, for as long as anything expected may take. */
export const patiently = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Patience, (patience) =>
    Effect.retry(self, Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: patience })))
  )

export class Unexpected extends Schema.TaggedError<Unexpected>()("Unexpected", { answer: Schema.String }) {
  override get message() {
    return `The last answer was ${this.answer}`
  }
}

/** Asks again until the answer is as expected, and fails with the last answer when it never is. */
export const eventually = <A, E, R>(ask: Effect.Effect<A, E, R>, expected: (answer: A) => boolean) =>
  ask.pipe(
    Effect.filterOrFail(expected, (answer) => new Unexpected({ answer: JSON.stringify(answer) })),
    patiently
  )
