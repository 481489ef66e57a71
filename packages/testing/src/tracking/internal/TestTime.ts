/**
 * The test clock, which also knows when the next fiber wakes.
 *
 * @internal
 */

import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Semaphore from "effect/Semaphore"
import type * as TestClock from "effect/testing/TestClock"
import * as RealTime from "./realTime.ts"

const isTestClock = (clock: Clock.Clock): clock is TestClock.TestClock => Predicate.hasProperty(clock, "adjust")

export class TestTime {
  /** Returns the test clock, if the clock is one. */
  static of(clock: Clock.Clock): TestTime | undefined {
    return isTestClock(clock) ? new TestTime(clock) : undefined
  }

  /** The clock for all that is to be woken. */
  readonly clock: TestClock.TestClock
  private readonly sleeps = new Set<{ readonly until: number }>()
  /** Sessions that run side by side share the clock. */
  private readonly turn = Semaphore.makeUnsafe(1)

  private constructor(clock: TestClock.TestClock) {
    const sleep = (duration: Duration.Duration) =>
      Effect.suspend(() => {
        const entry = { until: clock.currentTimeMillisUnsafe() + Duration.toMillis(duration) }
        this.sleeps.add(entry)
        return Effect.ensuring(
          clock.sleep(duration),
          Effect.sync(() => this.sleeps.delete(entry))
        )
      })
    this.clock = { ...clock, sleep }
  }

  /** The time at which the next fiber wakes, in milliseconds, or `Infinity`. */
  get next(): number {
    return Math.min(...Array.from(this.sleeps, ({ until }) => until))
  }

  /**
   * Lets the clock run for a moment, so that what a failed test leaves behind can stop: a
   * subscription gives its handlers time, which would never pass.
   */
  readonly unwind: Effect.Effect<void> = Effect.suspend(() => {
    let idle = 0
    const step = Effect.flatMap(RealTime.sleep(1), () => {
      const { next } = this
      idle = next === Infinity ? idle + 1 : 0
      return next === Infinity ? Effect.void : this.goTo(next)
    })
    return Effect.timeoutOption(Effect.repeat(step, { until: () => idle > 20 }), "1 second").pipe(this.clock.withLive)
  })

  /** Moves the clock on to a time, unless it is later already. */
  goTo(time: number): Effect.Effect<void> {
    return this.turn.withPermits(1)(
      Effect.suspend(() => this.clock.adjust(Math.max(0, time - this.clock.currentTimeMillisUnsafe())))
    )
  }
}
