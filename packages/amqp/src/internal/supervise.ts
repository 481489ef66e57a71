/**
 * Keeps an effect running, however it ends.
 *
 * @internal
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"

const longest = Duration.seconds(2)

/** The delays between two attempts to recover. */
export const backoff: Schedule.Schedule<unknown> = Schedule.min([
  Schedule.exponential("150 millis"),
  Schedule.spaced(longest)
]).pipe(Schedule.jittered)

/** The run time, in milliseconds, after which a start counts as successful. */
const settled = 10_000

const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/**
 * Runs an effect again whenever it ends, by success, failure or defect. The pause
 * before it grows while the effect keeps ending soon.
 */
export const supervise = Effect.fnUntraced(function* <E>(effect: Effect.Effect<unknown, E>): Effect.fn.Return<never> {
  let step = yield* Schedule.toStep(backoff)
  for (;;) {
    const since = yield* monotonicMillis
    yield* Effect.catchCause(effect, (cause) =>
      Cause.hasDies(cause) ? Effect.logError("Something that must not fail did, and goes on", cause) : Effect.void
    )
    const now = yield* monotonicMillis
    if (now - since > settled) step = yield* Schedule.toStep(backoff)
    const delay = yield* step(now, undefined).pipe(
      Effect.map(([, delay]) => delay),
      Pull.catchDone(() => Effect.succeed(longest))
    )
    yield* Effect.sleep(delay)
  }
})
