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

import { AmqpDelay, AmqpLadder, AmqpTopology } from "@effect-eventbus/amqp"
import type { AmqpOptions } from "@effect-eventbus/amqp"
import type * as BodyPlan from "@effect-eventbus/bodies/BodyPlan"
import type { Event } from "effect-eventbus/Event"
import * as EventType from "effect-eventbus/EventType"
import * as FailurePolicy from "effect-eventbus/FailurePolicy"
import type * as Handler from "effect-eventbus/Handler"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as RoutingKey from "effect-eventbus/RoutingKey"
import type * as Subscription from "effect-eventbus/Subscription"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
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
  /** The shortest and the longest possible time of each pause of the subscription, in milliseconds, at most twenty. */
  readonly pauses: ReadonlyArray<readonly [least: number, most: number]>
  /** Whether the retries go on after a hundred attempts, or the pauses after twenty. */
  readonly isEndless: boolean
  /** Whether the `maxRetries` of the event limits the retries. */
  readonly isUpToEvent: boolean
  /** Whether there are fewer retries when handlers and queues take long, because a duration limits them. */
  readonly isUpToTime: boolean
  readonly end: "dead-lettered" | "discarded" | "acknowledged" | "requeued" | "paused" | "unknown"
}

/**
 * The versions of an event type that a handler reads.
 *
 * @category models
 * @since 0.1.0
 */
export interface Versions {
  /** The version that the handler is given. */
  readonly newest: number
  /** The older versions that have a step, the oldest first. */
  readonly steps: ReadonlyArray<number>
  /** Whether the schema of the newest one reads all later ones, too. */
  readonly acceptsNewer: boolean
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
  /** The versions of the event type that the handler reads. `undefined`: it declares no type of this name. */
  readonly versions: Versions | undefined
  /** The number of events that a process handles at once, by the subscription or the prefetch of the connection. */
  readonly concurrency: number
  /** The number of events that the broker hands out in advance. `undefined`: as many as are handled at once. */
  readonly prefetch: number | undefined
  readonly messageTtl: number | undefined
  readonly atMostOnce: boolean
  /**
   * Whether events of one key are handled in their order, and the longest time in milliseconds for which a failing one
   * is retried in its place. Then its key is parked. `undefined`: it is not ordered.
   */
  readonly ordering: { readonly holdFor: number } | undefined
  readonly timeout: number | undefined
  /** The names of the steps that wrap the handler, from the inside out. */
  readonly around: ReadonlyArray<string>
  /**
   * How often RabbitMQ delivers an event again whose consumer was lost. This uses up no attempt. `undefined` where the
   * queue has no limit.
   */
  readonly deliveryLimit: number | undefined
  /** One outcome for each kind of failure; `undefined` where the contract has no handler of the queue. */
  readonly outcomes: ReadonlyArray<Outcome> | undefined
  /** The request that the handler replies to, if it is a handler of one. */
  readonly request: string | undefined
  /** The largest batch of events that it handles at once, and the milliseconds that the first waits for others. */
  readonly batch: { readonly size: number; readonly within: number } | undefined
  readonly waitQueues: ReadonlyArray<string>
  readonly deadLetterQueue: string | undefined
  /** The transforms of the payload on its way to the queue, in their order. */
  readonly bodies: ReadonlyArray<BodyPlan.Step>
}

/** Retries that go on after so many attempts count as endless. */
const maxAttempts = 100

/** A source of randomness that always gives the same number. */
const constant = (value: number): Random.Random => ({
  nextDoubleUnsafe: () => value,
  nextIntUnsafe: () => Math.round((value * 2 - 1) * Number.MAX_SAFE_INTEGER)
})

/** Pauses that go on after so many count as endless. */
const maxPauses = 20

interface Course {
  readonly delays: ReadonlyArray<number>
  readonly pauses: ReadonlyArray<number>
  readonly end: Outcome["end"]
}

const ends = {
  Ack: "acknowledged",
  Requeue: "requeued",
  Discard: "discarded",
  DeadLetter: "dead-lettered"
} as const

/** Follows an event from attempt to attempt, each of which takes some time, as long as it is held. Times are in milliseconds. */
const follow = Effect.fnUntraced(function* (
  policy: FailurePolicy.FailurePolicy<never>,
  cause: Cause.Cause<never>,
  event: Event,
  handling: number,
  holdFor: number
): Effect.fn.Return<Course> {
  const delays: Array<number> = []
  const pauses: Array<number> = []
  const now = yield* Clock.currentTimeMillis
  let elapsed = 0
  while (delays.length < maxAttempts && pauses.length < maxPauses) {
    const since = now - pauses.reduce((sum, pause) => sum + pause, 0)
    const probe = pauses.length === 0 ? undefined : { pauses: pauses.length, since }
    // A policy that inspects the error may fail here: the error is not a real one.
    const firstFailedAt = now - elapsed
    const decided = yield* Effect.option(
      Effect.catchDefect(
        Effect.suspend(() => policy.decide({ cause, event, attempt: delays.length + 1, firstFailedAt, probe })),
        Effect.fail
      )
    )
    if (Option.isNone(decided)) return { delays, pauses, end: "unknown" }
    const settlement = decided.value
    if (settlement?._tag === "Pause") pauses.push(Math.round(Duration.toMillis(settlement.delay)))
    else if (settlement?._tag === "Retry") {
      const delay = Duration.toMillis(settlement.delay)
      if (elapsed + delay > holdFor) return { delays, pauses, end: "dead-lettered" }
      delays.push(Math.round(delay))
      elapsed += delay + handling
    } else return { delays, pauses, end: settlement === undefined ? "dead-lettered" : ends[settlement._tag] }
  }
  return { delays, pauses, end: pauses.length < maxPauses ? "dead-lettered" : "paused" }
})

/** The time that a slow attempt takes, in milliseconds: longer than any limit that makes sense. */
const slow = 365 * 86_400_000

const Sample = EventType.untyped("sample")

const outcome = Effect.fnUntraced(function* (
  failure: string,
  policy: FailurePolicy.FailurePolicy<never>,
  cause: Cause.Cause<never>,
  { deadLetterQueue, ordering }: Handler.Any["subscription"]
): Effect.fn.Return<Outcome> {
  const holdFor = ordering === undefined ? Infinity : Duration.toMillis(ordering.holdFor)
  const [event, persistent] = yield* Effect.all([Sample.event({}), Sample.event({}, { maxRetries: maxAttempts })])
  const courseOf = (value: number, event: Event, handling = 0) =>
    Effect.provideService(follow(policy, cause, event, handling, holdFor), Random.Random, constant(value))
  const [low, high, longer, slower] = yield* Effect.all([
    courseOf(0, event),
    courseOf(1 - 1e-9, event),
    courseOf(0, persistent),
    courseOf(0, event, slow)
  ])
  const end = low.end === "dead-lettered" && deadLetterQueue === undefined ? "discarded" : low.end
  const ranges = (least: ReadonlyArray<number>, most: ReadonlyArray<number>) =>
    least.map((delay, i): readonly [number, number] => {
      const other = most[i] ?? delay
      return [Math.min(delay, other), Math.max(delay, other)]
    })
  return {
    failure,
    delays: ranges(low.delays, high.delays),
    pauses: ranges(low.pauses, high.pauses),
    isEndless: low.delays.length === maxAttempts || low.pauses.length === maxPauses,
    isUpToEvent: longer.delays.length > low.delays.length,
    isUpToTime: slower.delays.length < low.delays.length,
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
    outcome(failure, policy, cause, subscription)
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
  const tiers = [AmqpDelay.delayTier(least)]
  for (let last = tiers[0] ?? 0; last < AmqpDelay.delayTier(most);) {
    last = AmqpDelay.delayTier(last + 1)
    tiers.push(last)
  }
  return tiers
}

const priorities = /\.(low|normal|high|critical)$/

/** An at-most-once delivery is acknowledged before it is handled, so its failure has no effect. */
const atMostOnceOutcomes: ReadonlyArray<Outcome> = [
  {
    failure: "any failure",
    delays: [],
    pauses: [],
    isEndless: false,
    isUpToEvent: false,
    isUpToTime: false,
    end: "discarded"
  }
]

const versionsOf = (type: EventType.Any | undefined): Versions | undefined =>
  type === undefined
    ? undefined
    : { newest: type.version, steps: [...type.from.keys()], acceptsNewer: type.accept === "newer" }

const explain = Effect.fnUntraced(function* (
  routingKey: string,
  subscription: Subscription.Subscription<Event>,
  handler: Handler.Any | undefined,
  settings: AmqpOptions.Settings,
  bodies: ReadonlyArray<BodyPlan.Step>
): Effect.fn.Return<Explanation> {
  const { atMostOnce, concurrency, deadLetterQueue, events, messageTtl, ordering, patterns, prefetch } = subscription
  const { name: queue } = subscription
  const outcomes = atMostOnce ? atMostOnceOutcomes : handler === undefined ? undefined : yield* outcomesOf(handler)
  // An ordered event waits in its place.
  const tiers = new Set(ordering === undefined ? outcomes?.flatMap(({ delays }) => delays.flatMap(tiersOf)) : [])
  const timeouts = handler?.steps.flatMap((step) => (step._tag === "Timeout" ? [Duration.toMillis(step.duration)] : []))
  const type = routingKey.replace(priorities, "")
  const limit = AmqpTopology.workQueue(subscription, settings).arguments["x-delivery-limit"]
  return {
    queue,
    patterns: patterns.filter((pattern) => RoutingKey.matches(pattern, routingKey)),
    versions: versionsOf(events.find(({ name }) => name === type)),
    isKnownType: events.length === 0 || type === routingKey || events.some(({ name }) => name === type),
    concurrency: Math.min(concurrency ?? settings.prefetch, QueueSpec.prefetchOf(subscription, settings.prefetch)),
    prefetch,
    messageTtl,
    atMostOnce,
    ordering: ordering === undefined ? undefined : { holdFor: Duration.toMillis(ordering.holdFor) },
    around: handler?.steps.flatMap((step) => (step._tag === "Around" ? [step.name] : [])) ?? [],
    request: handler?.steps.flatMap((step) => (step._tag === "Reply" ? [step.request] : []))[0],
    batch: handler?.steps.flatMap((step) =>
      step._tag === "Batch" ? [{ size: step.size, within: Duration.toMillis(step.within) }] : []
    )[0],
    timeout: timeouts === undefined || timeouts.length === 0 ? undefined : Math.min(...timeouts),
    // That of an ordered queue is out of reach.
    deliveryLimit: typeof limit === "number" && ordering === undefined ? limit : undefined,
    outcomes,
    waitQueues: [...tiers].toSorted((a, b) => a - b).map((tier) => AmqpDelay.waitQueue(queue, tier, settings).name),
    deadLetterQueue,
    bodies
  }
})

/**
 * The way of a delayed event until it is due.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delay {
  /** The delay as it is, rounded up, in milliseconds. */
  readonly delay: number
  /** The queues in which the event waits, one after the other. All subscriptions share them. */
  readonly queues: ReadonlyArray<string>
}

/**
 * Returns the way of an event with a delay, in milliseconds.
 *
 * **Example** (The queues of a minute)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { AmqpOptions } from "@effect-eventbus/amqp"
 * import { Explanation } from "@effect-eventbus/inspect"
 *
 * const { delay, queues } = Explanation.delayed(60_000, AmqpOptions.settings({}))
 *
 * assert.strictEqual(delay, 60_160)
 * assert.strictEqual(queues[0], "agent_events_delay.32768")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const delayed = (delay: number, settings: AmqpOptions.Settings): Delay => {
  const rounded = AmqpLadder.rounded(delay)
  const waits = AmqpLadder.levels.filter((level) => Math.floor(rounded / level) % 2 === 1).toReversed()
  return { delay: rounded, queues: waits.map((level) => AmqpLadder.nameOf(level, settings)) }
}

/**
 * Returns the queues that receive the events of a routing key, with the outcomes of
 * their handlers' failures. A queue with several handlers is listed once for each.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  routingKey: string,
  { bodies, handlers, subscriptions }: Contract,
  settings: AmqpOptions.Settings
): Effect.Effect<ReadonlyArray<Explanation>> => {
  const unhandled = subscriptions.filter(({ name }) => !handlers.some(({ subscription }) => subscription.name === name))
  const all = [
    ...handlers.map((handler) => ({ subscription: handler.subscription, handler })),
    ...unhandled.map((subscription) => ({ subscription, handler: undefined }))
  ]
  return Effect.forEach(
    all.filter(({ subscription }) => subscription.patterns.some((pattern) => RoutingKey.matches(pattern, routingKey))),
    ({ handler, subscription }) => explain(routingKey, subscription, handler, settings, bodies?.steps ?? [])
  )
}
