/**
 * The fate of the events of a routing key, determined without a broker: which queues
 * receive them, and what happens when their handlers fail.
 *
 * Only the failure policies know how a failure is answered. So each policy is run for
 * every error that it distinguishes, attempt by attempt, with the shortest and with the
 * longest random delays.
 *
 * @since 0.1.0
 */

import { AmqpTopology } from "@effect-eventbus/amqp"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import type { Event } from "effect-eventbus/Event"
import * as EventType from "effect-eventbus/EventType"
import * as FailurePolicy from "effect-eventbus/FailurePolicy"
import type * as Handler from "effect-eventbus/Handler"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import type * as Subscription from "effect-eventbus/Subscription"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { Contract } from "./Contract.ts"

/**
 * The fate of an event whose handler fails in a given way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  /** The tag of the error, or a description such as `a defect`. */
  readonly failure: string
  /** The shortest and the longest possible delay before each retry, in milliseconds. */
  readonly delays: ReadonlyArray<readonly [least: number, most: number]>
  /** Whether the retries go on after a hundred attempts. */
  readonly isEndless: boolean
  /** Whether the `maxRetries` of the event limits the retries. */
  readonly isUpToEvent: boolean
  readonly end: "dead-lettered" | "discarded" | "acknowledged" | "requeued" | "unknown"
}

/**
 * A queue that receives the events of a routing key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Explanation {
  readonly queue: string
  readonly patterns: ReadonlyArray<string>
  /** Whether the handler accepts the event type of the routing key, as far as the key tells. */
  readonly isKnownType: boolean
  readonly concurrency: number | undefined
  readonly messageTtl: number | undefined
  readonly atMostOnce: boolean
  readonly timeout: number | undefined
  /** One outcome for each kind of failure; `undefined` where the contract has no handler of the queue. */
  /** The names of the steps that wrap the handler, from the inside out. */
  readonly around: ReadonlyArray<string>
  readonly outcomes: ReadonlyArray<Outcome> | undefined
  readonly waitQueues: ReadonlyArray<string>
  readonly deadLetterQueue: string | undefined
}

/** Retries that go on after so many attempts count as endless. */
const maxAttempts = 100

/** A source of randomness that always gives the same number. */
const constant = (value: number): Random.Random => ({
  nextDoubleUnsafe: () => value,
  nextIntUnsafe: () => Math.round((value * 2 - 1) * Number.MAX_SAFE_INTEGER)
})

interface Course {
  readonly delays: ReadonlyArray<number>
  readonly end: Outcome["end"]
}

const ends = {
  Ack: "acknowledged",
  Requeue: "requeued",
  Discard: "discarded",
  DeadLetter: "dead-lettered"
} as const

/** Follows an event from attempt to attempt. */
const follow = Effect.fnUntraced(function* (
  policy: FailurePolicy.FailurePolicy<never>,
  cause: Cause.Cause<never>,
  event: Event
): Effect.fn.Return<Course> {
  const delays: Array<number> = []
  while (delays.length < maxAttempts) {
    // A policy that inspects the error may fail here: the error is not a real one.
    const decided = yield* Effect.option(
      Effect.catchDefect(
        Effect.suspend(() => policy.decide({ cause, event, attempt: delays.length + 1 })),
        Effect.fail
      )
    )
    if (Option.isNone(decided)) return { delays, end: "unknown" }
    const settlement = decided.value
    if (settlement?._tag !== "Retry")
      return { delays, end: settlement === undefined ? "dead-lettered" : ends[settlement._tag] }
    delays.push(Math.round(Duration.toMillis(settlement.delay)))
  }
  return { delays, end: "dead-lettered" }
})

const Sample = EventType.untyped("sample")

const outcome = Effect.fnUntraced(function* (
  failure: string,
  policy: FailurePolicy.FailurePolicy<never>,
  cause: Cause.Cause<never>,
  deadLetterQueue: string | undefined
): Effect.fn.Return<Outcome> {
  const [event, persistent] = yield* Effect.all([Sample.event({}), Sample.event({}, { maxRetries: maxAttempts })])
  const courseOf = (value: number, event: Event) =>
    Effect.provideService(follow(policy, cause, event), Random.Random, constant(value))
  const [low, high, longer] = yield* Effect.all([
    courseOf(0, event),
    courseOf(1 - 1e-9, event),
    courseOf(0, persistent)
  ])
  const end = low.end === "dead-lettered" && deadLetterQueue === undefined ? "discarded" : low.end
  return {
    failure,
    delays: low.delays.map((delay, i) => {
      const other = high.delays[i] ?? delay
      return [Math.min(delay, other), Math.max(delay, other)]
    }),
    isEndless: low.delays.length === maxAttempts,
    isUpToEvent: longer.delays.length > low.delays.length,
    end
  }
})

const tagged = (tag: string): Cause.Cause<never> => {
  const error = Object.assign(new Error("an example"), { _tag: tag })
  // A policy answers errors by their tag, so an error with the tag stands for the real one.
  return Cause.fail(error) as Cause.Cause<never>
}

/** Whether two failures have the same outcome. */
const isSame = (a: Outcome, b: Outcome): boolean =>
  JSON.stringify({ ...a, failure: "" }) === JSON.stringify({ ...b, failure: "" })

const outcomesOf = Effect.fnUntraced(function* ({ steps, subscription }: Handler.Any) {
  const policyAfter = (steps: ReadonlyArray<Handler.Step>): FailurePolicy.FailurePolicy<never> =>
    steps.find((step) => step._tag === "OnFailure")?.policy ?? FailurePolicy.retryUpToMax
  const policy = policyAfter(steps)
  const timeout = steps.findIndex((step) => step._tag === "Timeout")
  const timeoutTag = "TimeoutError"
  const tags = policy.cases.filter((tag) => timeout < 0 || tag !== timeoutTag)
  const ask = (failure: string, policy: FailurePolicy.FailurePolicy<never>, cause: Cause.Cause<never>) =>
    outcome(failure, policy, cause, subscription.deadLetterQueue)
  const byTag = yield* Effect.forEach(tags, (tag) => ask(tag, policy, tagged(tag)))
  const other = yield* ask(
    byTag.length === 0 ? "any failure" : "any other error",
    policy,
    tagged("an error of no case")
  )
  const timedOut = timeout < 0 ? [] : [yield* ask(timeoutTag, policyAfter(steps.slice(timeout)), tagged(timeoutTag))]
  const defect = yield* ask("a defect", policy, Cause.die(new Error("an example")))
  const special = [...timedOut, defect].filter((outcome) => byTag.length > 0 || !isSame(outcome, other))
  return byTag.length === 0 ? [other, ...special] : [...byTag, ...special, other]
})

/** Returns all delay tiers that a delay may fall into. */
const tiersOf = ([least, most]: readonly [number, number]): ReadonlyArray<number> => {
  const tiers = [AmqpTopology.delayTier(least)]
  for (let last = tiers[0] ?? 0; last < AmqpTopology.delayTier(most);) {
    last = AmqpTopology.delayTier(last + 1)
    tiers.push(last)
  }
  return tiers
}

const priorities = /\.(low|normal|high|critical)$/

/** An at-most-once delivery is acknowledged before it is handled, so its failure has no effect. */
const atMostOnceOutcomes: ReadonlyArray<Outcome> = [
  { failure: "any failure", delays: [], isEndless: false, isUpToEvent: false, end: "discarded" }
]

const explain = Effect.fnUntraced(function* (
  routingKey: string,
  subscription: Subscription.Subscription<Event>,
  handler: Handler.Any | undefined,
  settings: AmqpOptions.Settings
): Effect.fn.Return<Explanation> {
  const { atMostOnce, concurrency, deadLetterQueue, events, messageTtl, patterns, name: queue } = subscription
  const outcomes = atMostOnce ? atMostOnceOutcomes : handler === undefined ? undefined : yield* outcomesOf(handler)
  const tiers = new Set(outcomes?.flatMap(({ delays }) => delays.flatMap(tiersOf)))
  const timeouts = handler?.steps.flatMap((step) => (step._tag === "Timeout" ? [Duration.toMillis(step.duration)] : []))
  const type = routingKey.replace(priorities, "")
  return {
    queue,
    patterns: patterns.filter((pattern) => RoutingKey.matches(pattern, routingKey)),
    isKnownType: events.length === 0 || type === routingKey || events.some(({ name }) => name === type),
    concurrency,
    messageTtl,
    atMostOnce,
    around: handler?.steps.flatMap((step) => (step._tag === "Around" ? [step.name] : [])) ?? [],
    timeout: timeouts === undefined || timeouts.length === 0 ? undefined : Math.min(...timeouts),
    outcomes,
    waitQueues: [...tiers].toSorted((a, b) => a - b).map((tier) => AmqpTopology.waitQueue(queue, tier, settings).name),
    deadLetterQueue
  }
})

/**
 * Returns the queues that receive the events of a routing key, with the outcomes of
 * their handlers' failures. A queue with several handlers is listed once for each.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  routingKey: string,
  { handlers, subscriptions }: Contract,
  settings: AmqpOptions.Settings
): Effect.Effect<ReadonlyArray<Explanation>> => {
  const unhandled = subscriptions.filter(({ name }) => !handlers.some(({ subscription }) => subscription.name === name))
  const all = [
    ...handlers.map((handler) => ({ subscription: handler.subscription, handler })),
    ...unhandled.map((subscription) => ({ subscription, handler: undefined }))
  ]
  return Effect.forEach(
    all.filter(({ subscription }) => subscription.patterns.some((pattern) => RoutingKey.matches(pattern, routingKey))),
    ({ handler, subscription }) => explain(routingKey, subscription, handler, settings)
  )
}
