/**
 * The queues that the console knows, and their counts.
 *
 * @internal
 */

import * as AmqpOptions from "@effect-eventbus/amqp/AmqpOptions"
import * as Explanation from "@effect-eventbus/inspect/Explanation"
import * as OutcomeText from "@effect-eventbus/inspect/OutcomeText"
import * as QueueReport from "@effect-eventbus/inspect/QueueReport"
import type { QueueInfo } from "effect-eventbus/Broker"
import type { BrokerError } from "effect-eventbus/BrokerError"
import { EventBus, type Running } from "effect-eventbus/EventBus"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { NotFound } from "../ConsoleError.ts"
import type * as Model from "../ConsoleModel.ts"
import * as bindings from "./bindings.ts"
import * as rates from "./rates.ts"
import type { Settings } from "./settings.ts"

type Queue = typeof Model.Queue.Type

export interface Queues {
  readonly names: Effect.Effect<ReadonlyArray<string>>
  /** The queues that this process handles. */
  readonly handled: Effect.Effect<ReadonlyArray<string>>
  /** Fails for a queue that the console does not know. */
  readonly check: (queue: string) => Effect.Effect<void, NotFound>
  readonly pulse: Effect.Effect<typeof Model.Pulse.Type>
  readonly detail: (queue: string) => Effect.Effect<typeof Model.QueueDetail.Type, BrokerError>
  /** The number of dead letters of a queue, if it is known. It is not while some of them are held back. */
  readonly deadLetters: (queue: string) => Effect.Effect<number | undefined>
  /**
   * Runs an effect that holds dead letters of a queue back. The broker does not count these, and its consumers are this
   * console's own. So until it has ended, their number is the one that `left` returns, or else the latest that is known.
   */
  readonly holding: (
    queue: string,
    left?: () => number | undefined
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Queues that end with their process, such as those of observers, are named so. */
const temporary = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/

const similar = (names: ReadonlyArray<string>, name: string): ReadonlyArray<string> => {
  const wanted = name.toLowerCase()
  const common = (other: string) => {
    let length = 0
    while (length < wanted.length && wanted[length] === other[length]) length++
    return length
  }
  const score = (other: string) => (other.includes(wanted) || wanted.includes(other) ? 100 : common(other))
  return names
    .filter((other) => score(other.toLowerCase()) >= 3)
    .toSorted((a, b) => score(b.toLowerCase()) - score(a.toLowerCase()))
    .slice(0, 3)
}

const stateOf = Effect.fnUntraced(function* ({ queue, state }: Running) {
  const now = yield* state
  const model: typeof Model.SubscriptionState.Type = {
    queue,
    state: now._tag === "Running" ? "running" : now._tag === "Paused" ? "paused" : "probing",
    by: now._tag === "Running" ? undefined : now.by,
    since: now._tag === "Running" ? undefined : now.since,
    until: now._tag === "Paused" ? now.until : undefined
  }
  return model
})

/** A routing key that a pattern matches. */
const keyOf = (pattern: string): string => pattern.replace(/[*#]/g, "any")

export const make = Effect.fnUntraced(function* (settings: Settings): Effect.fn.Return<Queues, never, EventBus> {
  const bus = yield* EventBus
  const { contract, management } = settings
  const given = new Set([
    ...settings.queues,
    ...(contract?.subscriptions.filter(({ temporary }) => !temporary).map(({ name }) => name) ?? [])
  ])

  const listed = yield* Effect.cachedWithTTL(
    management === undefined
      ? Effect.succeed<ReadonlyArray<string>>([])
      : Effect.map(
          Effect.orElseSucceed(management.queues, () => []),
          (infos) => QueueReport.fromAll(infos).map(({ name }) => name)
        ),
    "10 seconds"
  )

  const handled = Effect.map(bus.subscriptions, (all) => [
    ...new Set(all.map(({ queue }) => queue).filter((name) => !temporary.test(name)))
  ])
  const readRates = yield* rates.make(handled)

  const names: Queues["names"] = Effect.gen(function* () {
    const all = [...given, ...(yield* handled), ...(given.size === 0 ? yield* listed : [])]
    return [...new Set(all)].filter((name) => !QueueSpec.isDeadLetterQueue(name))
  })

  const check: Queues["check"] = Effect.fnUntraced(function* (queue) {
    const all = yield* names
    if (all.includes(queue)) return
    const like = similar(all, queue)
    const hint =
      like.length > 0 ? `Did you mean ${like.join(", ")}?` : "Name it with --queue, or in the options of the console."
    return yield* new NotFound({
      what: "queue",
      name: queue.slice(0, 255),
      similar: like,
      message: `The console knows no queue "${queue.slice(0, 255)}". ${hint}`
    })
  })

  const countsOf = (found: Option.Option<QueueInfo>, dead: Option.Option<QueueInfo>) => ({
    exists: Option.isSome(found),
    messages: Option.match(found, { onNone: () => 0, onSome: ({ messages }) => messages }),
    consumers: Option.match(found, { onNone: () => 0, onSome: ({ consumers }) => consumers }),
    deadLetters: Option.getOrUndefined(Option.map(dead, ({ messages }) => messages)),
    deadLetterConsumers: Option.getOrUndefined(Option.map(dead, ({ consumers }) => consumers))
  })

  /** The latest counts, which are shown while the broker cannot be asked. */
  const latest = new Map<string, Queue>()
  let at = 0
  const held = new Map<string, Array<() => number | undefined>>()

  const isHeld = (name: string) => (held.get(name)?.length ?? 0) > 0

  const heldOf = (name: string): Partial<Pick<Queue, "deadLetters" | "deadLetterConsumers">> => {
    const left = held.get(name)?.at(-1)
    if (left === undefined) return {}
    const deadLetters = left() ?? latest.get(name)?.deadLetters
    return deadLetters === undefined ? {} : { deadLetters, deadLetterConsumers: 0 }
  }

  const holding: Queues["holding"] =
    (queue, left = () => undefined) =>
    (effect) =>
      Effect.acquireUseRelease(
        Effect.sync(() => held.set(queue, [...(held.get(queue) ?? []), left])),
        () => effect,
        () => Effect.sync(() => held.set(queue, held.get(queue)?.filter((other) => other !== left) ?? []))
      )

  const look = Effect.fnUntraced(function* (name: string) {
    const found = yield* bus.queueInfo(name)
    const dead = yield* bus.queueInfo(QueueSpec.deadLetterQueueOf(name))
    const running = (yield* bus.subscriptions).filter(({ queue }) => queue === name)
    const subscriptions = yield* Effect.forEach(running, stateOf)
    const counts = countsOf(found, dead)
    const queue: Queue = { name, ...counts, ...(counts.deadLetters === undefined ? {} : heldOf(name)), subscriptions }
    return queue
  })

  const pulse = Effect.gen(function* () {
    const health = yield* bus.health
    let failure: string | undefined
    const queues = yield* Effect.forEach(yield* names, (name) =>
      Effect.matchEffect(
        health.connected ? look(name) : Effect.fail({ message: "There is no connection to the broker" }),
        {
          onFailure: ({ message }) =>
            Effect.sync(() => {
              failure = message
              return latest.get(name)
            }),
          onSuccess: (queue) => Effect.sync(() => (latest.set(name, queue), queue))
        }
      )
    )
    if (failure === undefined) at = yield* Clock.currentTimeMillis
    const known = queues.filter((queue) => queue !== undefined)
    const model: typeof Model.Pulse.Type = { at, health, queues: known, rates: yield* readRates, failure }
    return model
  })

  /** How failures are answered, in words. */
  const policyOf = Effect.fnUntraced(function* (pattern: string, name: string) {
    if (contract === undefined) return []
    const amqp = settings.amqp ?? AmqpOptions.settings(contract.options)
    const all = yield* Explanation.make(keyOf(pattern), contract, amqp)
    const outcomes = all.find(({ queue }) => queue === name)?.outcomes ?? []
    return outcomes.map((outcome) => `${outcome.failure}: ${OutcomeText.describe(outcome)}`)
  })

  const subscriptionsOf = (name: string) =>
    Effect.forEach(contract?.subscriptions.filter((each) => each.name === name) ?? [], (subscription) =>
      Effect.map(policyOf(subscription.patterns[0] ?? "", name), (policy): typeof Model.Subscription.Type => ({
        patterns: subscription.patterns,
        events: subscription.events.map((type) => type.name),
        guarantee: subscription.atMostOnce ? "at-most-once" : "at-least-once",
        concurrency: subscription.concurrency,
        prefetch: subscription.prefetch,
        messageTtl: subscription.messageTtl,
        deadLetterQueue: subscription.deadLetterQueue,
        policy
      }))
    )

  return {
    names,
    handled,
    check,
    holding,
    // All tabs share one question.
    pulse: yield* Effect.cachedWithTTL(pulse, "1500 millis"),
    detail: Effect.fnUntraced(function* (name) {
      const queue = yield* look(name)
      return {
        at: yield* Clock.currentTimeMillis,
        queue,
        bindings: yield* bindings.of(settings, name),
        contract: yield* subscriptionsOf(name)
      }
    }),
    deadLetters: (queue) =>
      Effect.map(
        Effect.orElseSucceed(bus.queueInfo(QueueSpec.deadLetterQueueOf(queue)), () => Option.none<QueueInfo>()),
        (info) => (isHeld(queue) ? undefined : Option.getOrUndefined(Option.map(info, ({ messages }) => messages)))
      )
  }
})
