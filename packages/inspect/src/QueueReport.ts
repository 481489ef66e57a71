/**
 * The queues of a broker at a glance: their events, consumers, dead letters and retries.
 *
 * @since 0.1.0
 */

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
  /** The events that wait for a retry. `undefined` over AMQP, which does not list the queues that keep them. */
  readonly retries: number | undefined
}

/**
 * Returns whether events wait and no consumer takes them. Dead letters wait for an
 * operator, so they are no backlog.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isBacklog = ({ consumers, messages, name }: QueueInfo): boolean =>
  messages > 0 && consumers === 0 && !QueueSpec.isDeadLetterQueue(name)

/** The name of a queue in which retries wait, after the name of the queue that they return to. */
const wait = /^wait\.(.+)\.\d+\.(?:quorum|classic)\./

/** Compares names so that a queue stands by those whose names begin like its own. */
const byName = (a: QueueInfo, b: QueueInfo): number => (a.name < b.name ? -1 : Number(a.name > b.name))

const withDeadLetters = (infos: ReadonlyArray<QueueInfo>): ReadonlyArray<Omit<QueueStatus, "retries">> => {
  const all = new Map(infos.map((info) => [info.name, info]))
  const isListed = (name: string) => all.has(name) && !QueueSpec.isDeadLetterQueue(name)
  return infos
    .filter(({ name }) => !QueueSpec.isDeadLetterQueue(name) || !isListed(QueueSpec.originOf(name)))
    .toSorted(byName)
    .map((info) => ({ ...info, deadLetters: all.get(QueueSpec.deadLetterQueueOf(info.name))?.messages }))
}

/**
 * Reports on all queues of a broker. A queue of dead letters, or one in which retries
 * wait, is listed by itself only where the queue that it belongs to does not exist.
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
 * assert.deepStrictEqual(report, [{ name: "billing", messages: 12, consumers: 0, deadLetters: 3, retries: 0 }])
 * assert.deepStrictEqual(report.map(QueueReport.isBacklog), [true])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromAll = (infos: ReadonlyArray<QueueInfo>): ReadonlyArray<QueueStatus> => {
  const names = new Set(infos.map(({ name }) => name))
  const retries = new Map<string, number>()
  const others = infos.filter(({ messages, name }) => {
    const origin = wait.exec(name)?.[1]
    if (origin === undefined || !names.has(origin)) return true
    retries.set(origin, (retries.get(origin) ?? 0) + messages)
    return false
  })
  return withDeadLetters(others).map((queue) => ({ ...queue, retries: retries.get(queue.name) ?? 0 }))
}

/**
 * Reports on queues by their names, and on their dead letters. Those that do not exist
 * are left out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromNames = <E, R>(
  names: ReadonlyArray<string>,
  info: (name: string) => Effect.Effect<Option.Option<QueueInfo>, E, R>
): Effect.Effect<ReadonlyArray<QueueStatus>, E, R> => {
  const own = names.filter((name) => !QueueSpec.isDeadLetterQueue(name))
  const asked = new Set([...names, ...own.map(QueueSpec.deadLetterQueueOf)])
  return Effect.map(Effect.forEach(asked, info), (found) =>
    withDeadLetters(found.flatMap(Option.toArray)).map((queue) => ({ ...queue, retries: undefined }))
  )
}
