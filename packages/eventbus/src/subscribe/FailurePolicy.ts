/**
 * What happens to an event whose handler failed.
 *
 * A policy is a value: it answers a failure with a settlement, or abstains. It
 * is typed by the errors that it answers, so that a handler with an error that
 * nothing answers does not compile.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Pipeable from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { Event } from "../event/Event.ts"
import * as Settlement from "./Settlement.ts"

/**
 * A failed attempt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure<out E> {
  readonly cause: Cause.Cause<E>
  readonly event: Event
  /** Which attempt failed, from 1. */
  readonly attempt: number
  /** When the first attempt failed, in milliseconds since 1970, where that is known. */
  readonly firstFailedAt?: number | undefined
}

/**
 * What happens to an event whose handler failed with an `E`.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailurePolicy<in E> extends Pipeable.Pipeable {
  /** `undefined` abstains: the next policy decides, and after the last one the event is dead-lettered. */
  readonly decide: (failure: Failure<E>) => Effect.Effect<Settlement.Settlement | undefined>
  /** Whether it may ask for a retry, which an at-most-once subscription cannot give. */
  readonly retries: boolean
  /** Whether it asks for dead letters by name. */
  readonly deadLetters: boolean
  /** The tags of the errors that it tells apart. */
  readonly cases: ReadonlyArray<string>
}

class Policy<in E> extends Pipeable.Class implements FailurePolicy<E> {
  readonly decide: FailurePolicy<E>["decide"]
  readonly retries: boolean
  readonly deadLetters: boolean
  readonly cases: ReadonlyArray<string>

  constructor(
    decide: FailurePolicy<E>["decide"],
    asks: {
      readonly retries: boolean
      readonly deadLetters: boolean
      readonly cases?: ReadonlyArray<string> | undefined
    }
  ) {
    super()
    this.decide = decide
    this.retries = asks.retries
    this.deadLetters = asks.deadLetters
    this.cases = asks.cases ?? []
  }
}

/**
 * Dead-letters the event at once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deadLetter: FailurePolicy<unknown> = new Policy(() => Effect.succeed(Settlement.deadLetter()), {
  retries: false,
  deadLetters: true
})

/**
 * Drops the event. It is counted, and logged as a warning.
 *
 * @category constructors
 * @since 0.1.0
 */
export const discard: FailurePolicy<unknown> = new Policy(() => Effect.succeed(Settlement.discard()), {
  retries: false,
  deadLetters: false
})

/** A forged attempt or number of retries must not cost more than this many steps. */
const maxSteps = 1000

/**
 * Asks a schedule at the times at which the attempts failed: the first one at the start, the last one at the end, and
 * those between when the schedule had them. Returns its last answer, and when it gave that; `undefined` where it ended.
 */
const replay = Effect.fnUntraced(function* <E, Error>(
  schedule: Schedule.Schedule<unknown, Cause.Cause<E>, Error>,
  cause: Cause.Cause<E>,
  attempt: number,
  start: number,
  end: number
) {
  const step = yield* Schedule.toStep(schedule)
  let at = start
  for (let i = 1; ; i++) {
    if (i >= attempt && end !== Infinity) at = end
    const next = yield* Pull.catchDone(step(at, cause), () => Effect.undefined)
    if (next === undefined) return undefined
    if (i >= attempt) return { delay: next[1], at }
    at = Math.min(end, at + Duration.toMillis(next[1]))
  }
})

/**
 * Retries the event after the delays of a schedule, and abstains when it ends.
 *
 * **Details**
 *
 * The broker keeps the event while it waits, so the delay outlives the process:
 * the schedule is replayed up to the attempt that the event carries. It is given
 * the current failure as its input.
 *
 * The replay ends at the time that it is, and starts when the first attempt failed. So
 * `Schedule.cron` names times of the clock, and the duration of `Schedule.upTo` includes
 * what handlers and queues took. A schedule that fails itself, such as a cron expression
 * that is none, is logged and abstains.
 *
 * **Gotchas**
 *
 * A retried event comes after those that arrived while it waited. RabbitMQ keeps
 * one queue for each of a few dozen delays, and a delay is rounded up to the next.
 *
 * **Example** (Three retries, then the dead letters)
 *
 * ```ts
 * import { Schedule } from "effect"
 * import { FailurePolicy } from "effect-eventbus"
 *
 * const policy = FailurePolicy.retry(
 *   Schedule.exponential("1 second").pipe(Schedule.jittered, Schedule.upTo({ times: 3 }))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const retry: {
  // First, and without a type parameter, for otherwise `tags` would have it inferred as `never`.
  (schedule: Schedule.Schedule<unknown, unknown, unknown>): FailurePolicy<unknown>
  <E>(schedule: Schedule.Schedule<unknown, Cause.Cause<E>, unknown>): FailurePolicy<E>
} = <E>(schedule: Schedule.Schedule<unknown, Cause.Cause<E>, unknown>): FailurePolicy<E> =>
  new Policy<E>(
    Effect.fnUntraced(
      function* ({ attempt, cause, firstFailedAt }) {
        if (attempt > maxSteps) return undefined
        const now = yield* Clock.currentTimeMillis
        let start = now
        if (attempt > 1 && firstFailedAt !== undefined && firstFailedAt <= now) start = firstFailedAt
        else if (attempt > 1) {
          // Nothing but the delays is known to have passed since then.
          const delays = yield* replay(schedule, cause, attempt, now, Infinity)
          if (delays === undefined) return undefined
          start = now - (delays.at - now)
        }
        const last = yield* replay(schedule, cause, attempt, start, now)
        return last === undefined ? undefined : Settlement.retry(last.delay)
      },
      Effect.catch((error) => Effect.as(Effect.logError("The schedule of a retry failed", error), undefined))
    ),
    { retries: true, deadLetters: false }
  )

/**
 * Retries the event as often as it says itself (`maxRetries`), and abstains then.
 * This is what happens where a handler says nothing.
 *
 * **Details**
 *
 * The delays are 1, 2, 4, … seconds, at most one minute, each between 0.8 and
 * 1.2 of that.
 *
 * @category constructors
 * @since 0.1.0
 */
export const retryUpToMax: FailurePolicy<unknown> = new Policy(
  ({ attempt, event }) =>
    attempt > Math.min(event.maxRetries, maxSteps)
      ? Effect.undefined
      : Effect.map(Random.next, (random) =>
          Settlement.retry(Math.min(1000 * 2 ** (attempt - 1), 60_000) * (0.8 + 0.4 * random))
        ),
  { retries: true, deadLetters: false }
)

/**
 * Asks a second policy where the first abstains.
 *
 * **Example** (Dropping what three retries did not cure)
 *
 * ```ts
 * import { Schedule } from "effect"
 * import { FailurePolicy } from "effect-eventbus"
 *
 * const policy = FailurePolicy.retry(Schedule.spaced("5 seconds").pipe(Schedule.upTo({ times: 3 }))).pipe(
 *   FailurePolicy.orElse(FailurePolicy.discard)
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const orElse: {
  <E2>(that: FailurePolicy<E2>): <E>(self: FailurePolicy<E>) => FailurePolicy<E & E2>
  <E, E2>(self: FailurePolicy<E>, that: FailurePolicy<E2>): FailurePolicy<E & E2>
} = dual(
  2,
  <E, E2>(self: FailurePolicy<E>, that: FailurePolicy<E2>): FailurePolicy<E & E2> =>
    new Policy<E & E2>(
      (failure) => Effect.filterOrElse(self.decide(failure), Predicate.isNotUndefined, () => that.decide(failure)),
      {
        retries: self.retries || that.retries,
        deadLetters: self.deadLetters || that.deadLetters,
        cases: [...new Set([...self.cases, ...that.cases])]
      }
    )
)

/**
 * The errors that the cases of `tags` answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Tagged<Cases> = {
  readonly [Tag in keyof Cases]: Cases[Tag] extends FailurePolicy<infer E> ? E & { readonly _tag: Tag } : never
}[keyof Cases]

/**
 * Answers each error by its tag.
 *
 * **Details**
 *
 * Every tag of the handler's error type must have a case, or the handler does not
 * compile. A defect is a bug, which no retry cures: it goes to the dead letters
 * at once, unless `defect` says otherwise.
 *
 * **Example** (An answer for each error)
 *
 * ```ts
 * import { Schedule } from "effect"
 * import { FailurePolicy } from "effect-eventbus"
 *
 * const policy = FailurePolicy.tags({
 *   RateLimited: FailurePolicy.retry(Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 5 }))),
 *   UnknownInvoice: FailurePolicy.deadLetter
 * }, { defect: FailurePolicy.retryUpToMax })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const tags = <const Cases extends { readonly [Tag: string]: FailurePolicy<never> }>(
  cases: Cases,
  options: { readonly defect?: FailurePolicy<unknown> | undefined } = {}
): FailurePolicy<Tagged<Cases>> => {
  const policies: ReadonlyArray<FailurePolicy<never>> = [
    ...Object.values(cases),
    ...(options.defect === undefined ? [] : [options.defect])
  ]
  return new Policy<Tagged<Cases>>(
    (failure) => {
      const error = Result.getOrUndefined(Cause.findError(failure.cause))
      if (error === undefined) return (options.defect ?? deadLetter).decide(failure)
      const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : ""
      const policy = Object.hasOwn(cases, tag) ? cases[tag] : undefined
      // The tag says that this failure is one that the policy answers.
      return policy === undefined ? retryUpToMax.decide(failure) : policy.decide(failure as Failure<never>)
    },
    {
      retries: policies.some((policy) => policy.retries),
      deadLetters: policies.some((policy) => policy.deadLetters),
      cases: Object.keys(cases)
    }
  )
}
