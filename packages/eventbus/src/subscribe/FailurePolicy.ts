/**
 * Policies for events whose handler failed.
 *
 * A policy is a value that answers a failure with a settlement, or abstains. Its type has
 * the errors that it answers, so a handler with an unanswered error does not compile.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Pipeable from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Struct from "effect/Struct"
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
  /** The number of the attempt that failed, from 1. */
  readonly attempt: number
}

/**
 * A policy for events whose handler failed with an `E`. `Tag` is the union of the tags
 * for which it has a case.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailurePolicy<in E, out Tag extends string = string> extends Pipeable.Pipeable {
  /** Returns a settlement, or `undefined` to abstain. Then the next policy decides. After the last, the event is dead-lettered. */
  readonly decide: (failure: Failure<E>) => Effect.Effect<Settlement.Settlement | undefined>
  /** Whether it may retry, which an at-most-once subscription does not support. */
  readonly retries: boolean
  /** Whether it dead-letters events itself, not only by abstaining. */
  readonly deadLetters: boolean
  /** The tags of the errors for which it has a case. */
  readonly cases: ReadonlyArray<Tag>
}

class Policy<in E, out Tag extends string> extends Pipeable.Class implements FailurePolicy<E, Tag> {
  readonly decide: FailurePolicy<E>["decide"]
  readonly retries: boolean
  readonly deadLetters: boolean
  readonly cases: ReadonlyArray<Tag>

  constructor(
    decide: FailurePolicy<E>["decide"],
    asks: {
      readonly retries: boolean
      readonly deadLetters: boolean
      readonly cases?: ReadonlyArray<Tag> | undefined
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
export const deadLetter: FailurePolicy<unknown, never> = new Policy(() => Effect.succeed(Settlement.deadLetter()), {
  retries: false,
  deadLetters: true
})

/**
 * Drops the event. It is counted, and logged as a warning.
 *
 * @category constructors
 * @since 0.1.0
 */
export const discard: FailurePolicy<unknown, never> = new Policy(() => Effect.succeed(Settlement.discard()), {
  retries: false,
  deadLetters: false
})

/** The largest number of steps per decision, because messages may carry forged numbers of attempts or retries. */
const maxSteps = 1000

/**
 * Retries the event after the delays of a schedule, and abstains when the schedule ends.
 *
 * **Details**
 *
 * The broker keeps the event while it waits, so the delay outlives the process. For each
 * decision, the schedule is replayed up to the attempt that the event carries. Its input
 * is the cause of the current failure.
 *
 * **Gotchas**
 *
 * A retried event goes to the end of its queue, behind those that arrived while it
 * waited. RabbitMQ supports a few dozen delays, each with a queue of its own. Other
 * delays are rounded up to the next of them.
 *
 * **Example** (Retrying three times before dead-lettering)
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
  // This comes first and has no type parameter, because `tags` would infer `never` for it.
  /**
   * Retries the event after the delays of a schedule, and abstains when the schedule
   * ends.
   *
   * The broker keeps the event while it waits, so the delay outlives the process.
   */
  (schedule: Schedule.Schedule<unknown>): FailurePolicy<unknown, never>
  /**
   * Retries the event after the delays of a schedule that depends on the failure, and
   * abstains when the schedule ends.
   *
   * The broker keeps the event while it waits, so the delay outlives the process.
   */
  <E>(schedule: Schedule.Schedule<unknown, Cause.Cause<E>>): FailurePolicy<E, never>
} = <E>(schedule: Schedule.Schedule<unknown, Cause.Cause<E>>): FailurePolicy<E, never> =>
  new Policy<E, never>(
    Effect.fnUntraced(function* ({ attempt, cause }) {
      if (attempt > maxSteps) return undefined
      const step = yield* Schedule.toStep(schedule)
      let now = 0
      for (let i = 1; ; i++) {
        const next = yield* Pull.catchDone(step(now, cause), () => Effect.undefined)
        if (next === undefined) return undefined
        if (i >= attempt) return Settlement.retry(next[1])
        now += Duration.toMillis(next[1])
      }
    }),
    { retries: true, deadLetters: false }
  )

/**
 * Retries the event up to its own `maxRetries`, and then abstains. Handlers without a
 * policy use this one.
 *
 * **Details**
 *
 * The delays are 1, 2, 4, … seconds, up to one minute. Each is multiplied by a random
 * factor between 0.8 and 1.2.
 *
 * @category constructors
 * @since 0.1.0
 */
export const retryUpToMax: FailurePolicy<unknown, never> = new Policy(
  ({ attempt, event }) =>
    attempt > Math.min(event.maxRetries, maxSteps)
      ? Effect.undefined
      : Effect.map(Random.next, (random) =>
          Settlement.retry(Math.min(1000 * 2 ** (attempt - 1), 60_000) * (0.8 + 0.4 * random))
        ),
  { retries: true, deadLetters: false }
)

/**
 * Asks a second policy when the first abstains.
 *
 * **Example** (Dropping an event after three retries)
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
  /**
   * Asks a second policy when the first abstains.
   */
  <E2, Tag2 extends string>(
    that: FailurePolicy<E2, Tag2>
  ): <E, Tag extends string>(self: FailurePolicy<E, Tag>) => FailurePolicy<E & E2, Tag | Tag2>
  /**
   * Asks a second policy when the first abstains.
   */
  <E, Tag extends string, E2, Tag2 extends string>(
    self: FailurePolicy<E, Tag>,
    that: FailurePolicy<E2, Tag2>
  ): FailurePolicy<E & E2, Tag | Tag2>
} = dual(
  2,
  <E, Tag extends string, E2, Tag2 extends string>(
    self: FailurePolicy<E, Tag>,
    that: FailurePolicy<E2, Tag2>
  ): FailurePolicy<E & E2, Tag | Tag2> =>
    new Policy<E & E2, Tag | Tag2>(
      (failure) => Effect.filterOrElse(self.decide(failure), Predicate.isNotUndefined, () => that.decide(failure)),
      {
        retries: self.retries || that.retries,
        deadLetters: self.deadLetters || that.deadLetters,
        cases: [...new Set<Tag | Tag2>([...self.cases, ...that.cases])]
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
 * The cases must be the tags of the handler's errors, or the handler does not compile. A
 * defect is a bug, and a retry does not fix it. So the event is dead-lettered at once,
 * unless you give a `defect` policy.
 *
 * **Example** (Answering each error)
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
): FailurePolicy<Tagged<Cases>, keyof Cases & string> => {
  const policies: ReadonlyArray<FailurePolicy<never>> = [
    ...Object.values(cases),
    ...(options.defect === undefined ? [] : [options.defect])
  ]
  return new Policy<Tagged<Cases>, keyof Cases & string>(
    (failure) => {
      const error = Result.getOrUndefined(Cause.findError(failure.cause))
      if (error === undefined) return (options.defect ?? deadLetter).decide(failure)
      const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : ""
      const policy = Object.hasOwn(cases, tag) ? cases[tag] : undefined
      // The tag proves that the policy answers this failure.
      return policy === undefined ? retryUpToMax.decide(failure) : policy.decide(failure as Failure<never>)
    },
    {
      retries: policies.some((policy) => policy.retries),
      deadLetters: policies.some((policy) => policy.deadLetters),
      cases: Struct.keys(cases)
    }
  )
}
