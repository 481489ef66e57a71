/**
 * The queues of a bus that no subscription declares, and which of them can be deleted
 * without losing anything.
 *
 * @since 0.1.0
 */

import { AmqpPlan, AmqpQueue } from "@effect-eventbus/amqp"
import type { AmqpConnection } from "@effect-eventbus/amqp"
import type { QueueInfo } from "effect-eventbus/Broker"
import type { BrokerError } from "effect-eventbus/BrokerError"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as BrokerConnection from "./BrokerConnection.ts"
import type { Management } from "./Management.ts"
import type { ManagementError } from "./ManagementError.ts"
import * as QueueReport from "./QueueReport.ts"

/**
 * A queue that no subscription declares.
 *
 * @category models
 * @since 0.1.0
 */
export interface Candidate extends QueueInfo {
  readonly kind: "queue" | "dead letters" | "retries"
  /** The queue whose dead letters or retries it keeps, or its own name. */
  readonly origin: string
  /** Why it has to stay. `undefined` where it can be deleted. */
  readonly needed: string | undefined
}

/** The queue of the handler that a queue belongs to. */
const rootOf = (name: string): string => {
  const origin = QueueReport.waitOrigin(name) ?? QueueSpec.originOf(name)
  return origin === name ? name : rootOf(origin)
}

const kindOf = (name: string): Candidate["kind"] =>
  QueueReport.waitOrigin(name) !== undefined ? "retries" : QueueSpec.isDeadLetterQueue(name) ? "dead letters" : "queue"

/** A queue comes before what its events go to. */
const order: ReadonlyArray<Candidate["kind"]> = ["queue", "dead letters", "retries"]

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/**
 * Selects the queues of a bus that no subscription declares, out of all its queues.
 *
 * **Details**
 *
 * A queue is needed while it or a queue that it belongs to has consumers, and while it has
 * events. A queue and its dead letters are also needed while anything of theirs waits: a
 * retry must find its queue, and a dead letter may be replayed.
 *
 * **Example** (An old queue)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Prune } from "@effect-eventbus/inspect"
 *
 * const queues = [
 *   { name: "billing", messages: 0, consumers: 1 },
 *   { name: "invoices", messages: 0, consumers: 0 }
 * ]
 * const [found] = Prune.candidates(queues, new Set(["billing"]))
 *
 * assert.deepStrictEqual([found?.name, found?.needed], ["invoices", undefined])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const candidates = (
  queues: ReadonlyArray<QueueInfo>,
  declared: ReadonlySet<string>
): ReadonlyArray<Candidate> => {
  const families = new Map<string, Array<QueueInfo>>()
  for (const queue of queues) {
    const root = rootOf(queue.name)
    families.set(root, [...(families.get(root) ?? []), queue])
  }
  const neededBecause = ({ messages, name }: QueueInfo): string | undefined => {
    const family = families.get(rootOf(name)) ?? []
    const used = family.find(({ consumers }) => consumers > 0)
    if (used !== undefined) return `"${used.name}" has ${counted(used.consumers, "consumer")}`
    if (messages > 0) return `it has ${counted(messages, "event")}`
    if (kindOf(name) === "retries") return undefined
    const full = family.find(({ messages }) => messages > 0)
    return full && `"${full.name}" has ${counted(full.messages, "event")}`
  }
  return queues
    .filter(({ name }) => !declared.has(name))
    .map((queue) => ({
      ...queue,
      kind: kindOf(queue.name),
      origin: rootOf(queue.name),
      needed: neededBecause(queue)
    }))
    .toSorted((a, b) => a.origin.localeCompare(b.origin, "en") || order.indexOf(a.kind) - order.indexOf(b.kind))
}

/** Each question takes a channel of its own. */
const concurrency = 8

/**
 * Returns the queues on the broker that no subscription declares. A queue belongs to the
 * bus if the exchange of the dead letters leads to it by its name, as it does to all
 * durable queues of a bus.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  live: AmqpConnection.Live,
  subscriptions: ReadonlyArray<QueueSpec.QueueSpec>,
  { boundByName, queues }: Management
): Effect.fn.Return<ReadonlyArray<Candidate>, BrokerError | ManagementError> {
  const ours = new Set(yield* boundByName(live.settings.deadLetterExchange))
  const declared = new Set(
    subscriptions.flatMap((subscription) =>
      AmqpPlan.wanted([subscription], live.settings).flatMap(({ item }) =>
        item._tag === "Queue" ? [item.declaration.name] : []
      )
    )
  )
  const names = (yield* queues).flatMap(({ name }) => (ours.has(name) ? [name] : []))
  // The management API is a few seconds late, and may not know a consumer that has just started.
  const info = (name: string) => BrokerConnection.asBrokerError(AmqpQueue.info(live, name))
  const found = yield* Effect.forEach(names, info, { concurrency })
  return candidates(found.flatMap(Option.toArray), declared)
})

/**
 * Deletes a queue if it is still empty and without consumers. Returns `undefined` when it
 * was deleted, and otherwise what it has.
 *
 * @category running
 * @since 0.1.0
 */
export const remove = Effect.fnUntraced(function* (
  live: AmqpConnection.Live,
  { name }: Candidate,
  { bindings }: Management
): Effect.fn.Return<QueueInfo | undefined, BrokerError | ManagementError> {
  const bound = yield* bindings(name)
  return yield* BrokerConnection.asBrokerError(AmqpQueue.removeIdle(live, name, bound))
})
