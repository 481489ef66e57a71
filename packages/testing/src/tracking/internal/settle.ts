/**
 * Runs the effect of a session until the session has come to rest.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Unsettled } from "../Unsettled.ts"
import { type Activity, maxSteps } from "./Activity.ts"
import * as RealTime from "./realTime.ts"
import type { TestTime } from "./TestTime.ts"
import { draw } from "./timeline.ts"
import type { Tracking } from "./Tracking.ts"

/** The turns without a change, in a row, after which only a clock can be what a handler waits for. */
const patience = 4
const turn = 5
/** The same for what is pending elsewhere, such as in a database, which may be slow. Each has `patience` turns. */
const rounds = 10

/** Waits for a change, for as long as it takes. */
const awaitChange = ({ changed }: Activity): Effect.Effect<void> =>
  Effect.suspend(() => {
    changed.closeUnsafe()
    return changed.await
  })

/** Waits for a change, and returns whether there was one. Several turns, as one alone may be late. */
const changes = ({ changed }: Activity): Effect.Effect<boolean> => {
  let turns = 0
  const isChanged = Effect.raceFirst(Effect.as(changed.await, true), Effect.as(RealTime.sleep(turn), false))
  const wait: Effect.Effect<boolean> = Effect.flatMap(isChanged, (isChanged) =>
    isChanged || ++turns === patience ? Effect.succeed(isChanged) : wait
  )
  return Effect.suspend(() => {
    changed.closeUnsafe()
    return wait
  })
}

interface Session<E, R> {
  readonly activity: Activity
  readonly tracking: Tracking
  readonly time: TestTime | undefined
  /** The time that may pass, in milliseconds. */
  readonly due: number
  /** The real time that it may take, in milliseconds. */
  readonly atMost: number
  /** The number of events that wait elsewhere. */
  readonly pending: Effect.Effect<number, E, R>
}

const unsettled = ({ activity, tracking }: Session<unknown, unknown>, detail: string) =>
  Effect.suspend(() => Effect.fail(new Unsettled({ detail, timeline: draw(activity, tracking.now) })))

/** Waits until nothing of a session goes on, and moves the test clock where only time is missing. */
const rest = <E, R>(session: Session<E, R>): Effect.Effect<void, E | Unsettled, R> => {
  const { activity, due, pending, time, tracking } = session
  const end = activity.startedAt + due
  return Effect.gen(function* () {
    let idle = 0
    for (;;) {
      const before = activity.steps.length
      if (activity.isEndless) return yield* unsettled(session, `The session went on after ${maxSteps} steps`)
      const { expired, isActive, nextAt } = tracking.statusOf(activity)
      if (isActive) {
        if (time === undefined) yield* awaitChange(activity)
        else if (!(yield* changes(activity)) && Math.min(time.next, nextAt) <= end) {
          yield* time.goTo(Math.min(time.next, nextAt))
        }
      } else if (expired.length > 0) {
        if (!(yield* changes(activity))) expired.forEach((copy) => tracking.expire(copy))
      } else if ((yield* pending) > 0) {
        idle = (yield* changes(activity)) || tracking.statusOf(activity).isActive ? 0 : idle + 1
        if (idle === rounds && time !== undefined) {
          idle = 0
          if (Math.min(time.next, nextAt) <= end) yield* time.goTo(Math.min(time.next, nextAt))
        }
      } else if (nextAt <= end) {
        yield* time === undefined
          ? Effect.raceFirst(awaitChange(activity), RealTime.sleep(nextAt - tracking.now))
          : time.goTo(nextAt)
      } else {
        yield* RealTime.nextTurn
        const status = tracking.statusOf(activity)
        if (!status.isActive && activity.steps.length === before) return
      }
    }
  })
}

export const settle = <A, E, R, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  session: Session<E2, R2>
): Effect.Effect<A, E | E2 | Unsettled, R | R2> =>
  Effect.gen(function* () {
    const { activity, atMost } = session
    const fiber = yield* Effect.forkChild(
      Effect.onExit(effect, () =>
        Effect.sync(() => {
          activity.isRunning = false
          activity.changed.openUnsafe()
        })
      )
    )
    const tooLong = Effect.andThen(
      RealTime.sleep(atMost),
      unsettled(session, `The session had not come to rest after ${atMost} ms of real time`)
    )
    const failed = Effect.andThen(Fiber.join(fiber), Effect.never)
    yield* Effect.raceAllFirst([rest(session), tooLong, failed])
    return yield* Fiber.join(fiber)
  })
