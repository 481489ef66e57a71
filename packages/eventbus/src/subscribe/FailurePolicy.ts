/**
 * Policies for events whose handler failed.
 *
 * A policy is a value that answers a failure with a settlement, or abstains. Its type has
 * the errors that it answers, so a handler with an unanswered error does not compile.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Pipeable from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Struct from "effect/Struct"
import type { Event } from "../event/Event.ts"
import type { Probe } from "./DecodedDelivery.ts"
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
  /** The time of the first failure in milliseconds since 1970, if it is known. */
  readonly firstFailedAt?: number | undefined
  /** Set while the subscription probes after a pause. */
  readonly probe?: Probe | undefined
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
  /** Whether it may retry or pause, which an at-most-once subscription does not support. */
  readonly retries: boolean
  /** Whether it dead-letters events itself, not only by abstaining. */
  readonly deadLetters: boolean
  /** The tags of the errors for which it has a case. */
  readonly cases: ReadonlyArray<Tag>
  /** Returns whether its delays alone take longer than a time in milliseconds, as far as that is known in advance. */
  readonly outlasts?: ((millis: number) => boolean) | undefined
}

class Policy<in E, out Tag extends string> extends Pipeable.Class implements FailurePolicy<E, Tag> {
  readonly decide: FailurePolicy<E>["decide"]
  readonly retries: boolean
  readonly deadLetters: boolean
  readonly cases: ReadonlyArray<Tag>
  readonly outlasts: (millis: number) => boolean

  constructor(
    decide: FailurePolicy<E>["decide"],
    asks: {
      readonly retries: boolean
      readonly deadLetters: boolean
      readonly cases?: ReadonlyArray<Tag> | undefined
      readonly outlasts?: ((millis: number) => boolean) | undefined
    }
  ) {
    super()
    this.decide = decide
    this.retries = asks.retries
    this.deadLetters = asks.deadLetters
    this.cases = asks.cases ?? []
    this.outlasts = asks.outlasts ?? (() => false)
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
 * Drops the event, counts it, and logs a warning.
 *
 * @category constructors
 * @since 0.1.0
 */
export const discard: FailurePolicy<unknown, never> = new Policy(() => Effect.succeed(Settlement.discard()), {
  retries: false,
  deadLetters: false
})

/** The number of steps that a forged attempt or number of retries may cost. */
const maxSteps = 1000

/**
 * Steps a schedule at the times of the failures: the first one at the start, the last one at the end, and those in
 * between at the times of the schedule itself. Returns the last delay and its time, or `undefined` if the schedule ended.
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

/** Returns whether the delays of a schedule take longer than a time. A schedule that cannot be stepped at once does not. */
const outlasts =
  <E, Error>(schedule: Schedule.Schedule<unknown, Cause.Cause<E>, Error>) =>
  (millis: number): boolean => {
    const total = Effect.gen(function* () {
      const step = yield* Schedule.toStep(schedule)
      let at = 0
      for (let i = 0; i < maxSteps && at <= millis; i++) {
        const next = yield* Pull.catchDone(step(at, Cause.die("a failure")), () => Effect.undefined)
        if (next === undefined) break
        at += Duration.toMillis(next[1])
      }
      return at
    })
    const exit = Effect.runSyncExit(total)
    return Exit.isSuccess(exit) && exit.value > millis
  }

/**
 * Retries the event after the delays of a schedule, and abstains when the schedule ends.
 *
 * **Details**
 *
 * The broker keeps the event while it waits, so the delay outlives the process: the
 * schedule is replayed up to the attempt that the event carries. Its input is the current
 * failure.
 *
 * The replay starts at the time of the first failure and ends at the current time. So
 * `Schedule.cron` works, and the duration of `Schedule.upTo` includes the time that
 * handlers and queues took. If the schedule itself fails, as that of an invalid cron
 * expression does, the policy logs the error and abstains.
 *
 * **Gotchas**
 *
 * A retried event comes after those that arrived while it waited. RabbitMQ keeps one queue
 * for each of a few dozen delays, and rounds a delay up to the next one.
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
  // First, and without a type parameter, because `tags` would otherwise infer it as `never`.
  /**
   * Retries the event after the delays of a schedule, and abstains when the schedule
   * ends.
   *
   * The broker keeps the event while it waits, so the delay outlives the process.
   */
  (schedule: Schedule.Schedule<unknown, unknown, unknown>): FailurePolicy<unknown, never>
  /**
   * Retries the event after the delays of a schedule that depends on the failure, and abstains when the schedule
   * ends.
   *
   * The broker keeps the event while it waits, so the delay outlives the process.
   */
  <E>(schedule: Schedule.Schedule<unknown, Cause.Cause<E>, unknown>): FailurePolicy<E, never>
} = <E>(schedule: Schedule.Schedule<unknown, Cause.Cause<E>, unknown>): FailurePolicy<E, never> =>
  new Policy<E, never>(
    Effect.fnUntraced(
      function* ({ attempt, cause, firstFailedAt }) {
        if (attempt > maxSteps) return undefined
        const now = yield* Clock.currentTimeMillis
        let start = now
        if (attempt > 1 && firstFailedAt !== undefined && firstFailedAt <= now) start = firstFailedAt
        else if (attempt > 1) {
          // Only the delays are known to have passed since the first failure.
          const delays = yield* replay(schedule, cause, attempt, now, Infinity)
          if (delays === undefined) return undefined
          start = now - (delays.at - now)
        }
        const last = yield* replay(schedule, cause, attempt, start, now)
        return last === undefined ? undefined : Settlement.retry(last.delay)
      },
      Effect.catch((error) => Effect.as(Effect.logError("The schedule of a retry failed", error), undefined))
    ),
    { retries: true, deadLetters: false, outlasts: outlasts(schedule) }
  )

/**
 * Pauses the whole subscription by the delays of a schedule, and abstains when the
 * schedule ends. Use it for the errors that say that a dependency is down.
 *
 * **Details**
 *
 * The event goes back to its queue, and no attempt is used up. The subscription stops
 * taking events, and gives back those that it holds. After each delay, it takes one event
 * as a probe. When a probe is acknowledged, the subscription goes on at full speed. When
 * it fails with an error that this policy answers, the next delay follows.
 *
 * A probe that ends in any other way, such as a dead letter, says nothing about the
 * dependency. So the next event becomes the probe, and the schedule starts again.
 *
 * Each instance of a subscription pauses by itself. `Running.state`, health and the metric
 * `eventbus_paused` report it.
 *
 * **Gotchas**
 *
 * Events that are being handled when the first one fails are handled to their end.
 *
 * **Example** (Waiting while a payment service is down)
 *
 * ```ts
 * import { Effect, Schedule, Schema } from "effect"
 * import { FailurePolicy, Handler, Subscription } from "effect-eventbus"
 *
 * class ServiceDown extends Schema.TaggedError<ServiceDown>()("ServiceDown", {}) {}
 * class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", {}) {}
 *
 * const charge: Effect.Effect<void, ServiceDown | CardDeclined> = Effect.fail(new ServiceDown())
 *
 * const handler = Handler.make(Subscription.make("payments", { patterns: ["payment.#"] }), () => charge).pipe(
 *   Handler.onFailure(FailurePolicy.tags({
 *     ServiceDown: FailurePolicy.pause(Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")])),
 *     CardDeclined: FailurePolicy.deadLetter
 *   }))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const pause: {
  /**
   * Pauses the subscription by the delays of a schedule, and abstains when the schedule
   * ends. The event goes back to its queue, and no attempt is used up.
   */
  (schedule: Schedule.Schedule<unknown, unknown, unknown>): FailurePolicy<unknown, never>
  /**
   * Pauses the subscription by the delays of a schedule that depends on the failure, and
   * abstains when the schedule ends. The event goes back to its queue, and no attempt is
   * used up.
   */
  <E>(schedule: Schedule.Schedule<unknown, Cause.Cause<E>, unknown>): FailurePolicy<E, never>
} = <E>(schedule: Schedule.Schedule<unknown, Cause.Cause<E>, unknown>): FailurePolicy<E, never> =>
  new Policy<E, never>(
    Effect.fnUntraced(
      function* ({ cause, probe }) {
        const now = yield* Clock.currentTimeMillis
        const number = Math.min((probe?.pauses ?? 0) + 1, maxSteps)
        const last = yield* replay(schedule, cause, number, Math.min(probe?.since ?? now, now), now)
        return last === undefined ? undefined : Settlement.pause(last.delay)
      },
      Effect.catch((error) => Effect.as(Effect.logError("The schedule of a pause failed", error), undefined))
    ),
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
        cases: [...new Set<Tag | Tag2>([...self.cases, ...that.cases])],
        outlasts: (millis) => [self, that].some((policy) => policy.outlasts?.(millis) === true)
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
      cases: Struct.keys(cases),
      outlasts: (millis) => policies.some((policy) => policy.outlasts?.(millis) === true)
    }
  )
}
