/**
 * The queues of a broker at a glance: their events, consumers, dead letters and retries.
 *
 * @since 0.1.0
 */

import { AmqpLadder, AmqpTopology } from "@effect-eventbus/amqp"
import type { QueueInfo } from "effect-eventbus/Broker"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * A queue, with what is known of its dead letters and retries.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueStatus extends QueueInfo {
  /** `undefined` where the queue has no queue of dead letters, or is one itself. */
  readonly deadLetters: number | undefined
  /** The events that wait for a retry. `undefined` where they could not be counted. */
  readonly retries: number | undefined
  /** Whether delayed events wait in it for their time. */
  readonly isDelay: boolean
}

/** A queue, with its arguments where they are known. */
interface Found extends QueueInfo {
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Returns whether events wait and no consumer takes them. Dead letters wait for an
 * operator, and delayed events for their time, so they are no backlog.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isBacklog = ({ consumers, isDelay, messages, name }: QueueStatus): boolean =>
  messages > 0 && consumers === 0 && !QueueSpec.isDeadLetterQueue(name) && !isDelay

const wait = /^wait\.(.+)\.\d+\.(?:quorum|classic)\./

/**
 * Returns the queue that events of a wait queue return to, or `undefined` where the name is not that of a wait
 * queue.
 *
 * @category getters
 * @since 0.1.0
 */
export const waitOrigin = (name: string): string | undefined => wait.exec(name)?.[1]

/** Compares names so that a queue stands by those whose names begin like its own. */
const byName = (a: QueueInfo, b: QueueInfo): number => (a.name < b.name ? -1 : Number(a.name > b.name))

const withDeadLetters = (infos: ReadonlyArray<Found>): ReadonlyArray<Omit<QueueStatus, "retries">> => {
  const all = new Map(infos.map((info) => [info.name, info]))
  const isListed = (name: string) => all.has(name) && !QueueSpec.isDeadLetterQueue(name)
  return infos
    .filter(({ name }) => !QueueSpec.isDeadLetterQueue(name) || !isListed(QueueSpec.originOf(name)))
    .toSorted(byName)
    .map(({ arguments: args = {}, consumers, messages, name }) => ({
      name,
      messages,
      consumers,
      deadLetters: all.get(QueueSpec.deadLetterQueueOf(name))?.messages,
      isDelay: AmqpLadder.isQueue(name, args)
    }))
}

/**
 * Reports on all queues of a broker. A queue of dead letters, or one in which retries
 * wait, is listed by itself only where the queue that it belongs to does not exist. The
 * locks of looks are left out.
 *
 * **Example** (A queue with dead letters)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { QueueReport } from "@effect-eventbus/inspect"
 *
 * const report = QueueReport.fromAll([
 *   { name: "billing", messages: 12, consumers: 0 },
 *   { name: "dlq.billing", messages: 3, consumers: 0 }
 * ])
 *
 * assert.deepStrictEqual(report, [{ name: "billing", messages: 12, consumers: 0, deadLetters: 3, retries: 0, isDelay: false }])
 * assert.deepStrictEqual(report.map(QueueReport.isBacklog), [true])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromAll = (infos: ReadonlyArray<Found>): ReadonlyArray<QueueStatus> => {
  const names = new Set(infos.map(({ name }) => name))
  const locks = new Set([...names].map((name) => AmqpTopology.lookLock(name).name))
  const retries = new Map<string, number>()
  const others = infos.filter(({ messages, name }) => {
    if (locks.has(name)) return false
    const origin = waitOrigin(name)
    if (origin === undefined || !names.has(origin)) return true
    retries.set(origin, (retries.get(origin) ?? 0) + messages)
    return false
  })
  return withDeadLetters(others).map((queue) => ({ ...queue, retries: retries.get(queue.name) ?? 0 }))
}

/**
 * Reports on queues by their names, and on their dead letters and retries. Those that do
 * not exist are left out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromNames = <E, R>(
  names: ReadonlyArray<string>,
  info: (name: string) => Effect.Effect<Option.Option<QueueInfo>, E, R>,
  /** Counts the events of a queue that wait for a retry. Default: they are not counted. */
  retries: (name: string) => Effect.Effect<number | undefined, E, R> = () => Effect.undefined
): Effect.Effect<ReadonlyArray<QueueStatus>, E, R> => {
  const own = names.filter((name) => !QueueSpec.isDeadLetterQueue(name))
  const asked = new Set([...names, ...own.map(QueueSpec.deadLetterQueueOf)])
  return Effect.flatMap(Effect.forEach(asked, info), (found) =>
    Effect.forEach(withDeadLetters(found.flatMap(Option.toArray)), (queue) =>
      Effect.map(retries(queue.name), (retries) => ({ ...queue, retries }))
    )
  )
}
