/** The visible state of a bus after a step, in a form that does not depend on chance. */

import type { Broker } from "effect-eventbus"
import * as Option from "effect/Option"

/** An event as a handler saw it. */
export interface Sight {
  readonly queue: string
  readonly n: number
  readonly attempt: number
  readonly retryCount: number
  readonly priority: "low" | "normal" | "high" | "critical"
  readonly routingKey: string
  /** The reason of the fault that came with the event, and the number of attempts until then. */
  readonly fault: readonly [reason: string, attempts: number] | undefined
}

export interface Observation {
  /** The results of the operation itself. */
  readonly results: ReadonlyArray<string>
  /** The answers to the requests of the operation, which come later. */
  readonly answers: ReadonlyArray<string>
  /** By queue: the events that were handled. */
  readonly handled: Readonly<Record<string, ReadonlyArray<string>>>
  /** By queue: the numbers of its messages and of its consumers. */
  readonly queues: Readonly<Record<string, string>>
}

const show = ({ attempt, fault, n, retryCount, routingKey }: Sight): string =>
  `#${n} ${routingKey}, attempt ${attempt}, retry_count ${retryCount}` +
  (fault === undefined ? "" : `, after ${fault[0]} (${fault[1]} attempts)`)

const urgency = { low: 0, normal: 1, high: 2, critical: 3 }

/**
 * How far the order of first attempts is certain: not at all; among events of one
 * priority, since RabbitMQ 4 lets urgent events overtake in every queue; or for all events.
 * `by key` it is certain for all attempts, where the key is the priority.
 */
export type Order = "none" | "by priority" | "by key" | "total"

const compare: Readonly<Record<Order, (a: Sight, b: Sight) => number>> = {
  none: (a, b) => a.n - b.n,
  "by priority": (a, b) => urgency[a.priority] - urgency[b.priority],
  "by key": (a, b) => urgency[a.priority] - urgency[b.priority],
  total: () => 0
}

/** Lists what the handler of each queue saw: first attempts in their order as far as it is certain, then the others. */
export const handled = (sights: ReadonlyArray<Sight>, orderOf: (queue: string) => Order): Observation["handled"] => {
  const queues = [...new Set(sights.map(({ queue }) => queue))].toSorted()
  return Object.fromEntries(
    queues.map((queue) => {
      const own = sights.filter((sight) => sight.queue === queue)
      const order = orderOf(queue)
      if (order === "by key") return [queue, own.toSorted(compare[order]).map(show)]
      const first = own.filter(({ attempt }) => attempt === 1).toSorted(compare[order])
      const later = own.filter(({ attempt }) => attempt > 1).toSorted((a, b) => a.n - b.n || a.attempt - b.attempt)
      return [queue, [...first, ...later].map(show)]
    })
  )
}

/** Describes the answer to a request. */
export const answer = (n: number, what: string): string => `#${n} ${what}`

/** Describes a queue, or its absence. */
export const queue = (info: Option.Option<Omit<Broker.QueueInfo, "name">>): string =>
  Option.match(info, {
    onNone: () => "not there",
    onSome: ({ consumers, messages }) => `${messages} waiting, ${consumers} consuming`
  })

const lines = (observation: Observation): ReadonlyArray<string> => [
  ...observation.results.map((result, at) => `result ${at + 1}: ${result}`),
  ...observation.answers.toSorted(),
  ...Object.entries(observation.handled).flatMap(([name, sights]) => sights.map((sight) => `${name} handled ${sight}`)),
  ...Object.entries(observation.queues).map(([name, state]) => `${name}: ${state}`)
]

/** Lists what was expected and not seen, and what was seen and not expected. */
export const difference = (expected: Observation, actual: Observation): ReadonlyArray<string> => {
  const [wanted, got] = [lines(expected), lines(actual)]
  const without = (those: ReadonlyArray<string>, these: ReadonlyArray<string>) => {
    const rest = [...those]
    for (const each of these) if (rest.includes(each)) rest.splice(rest.indexOf(each), 1)
    return rest
  }
  const missing = without(wanted, got).map((line) => `expected ${line}`)
  const surplus = without(got, wanted).map((line) => `observed ${line}`)
  if (missing.length > 0 || surplus.length > 0) return [...missing, ...surplus]
  return wanted.join() === got.join() ? [] : ["expected, in this order:", ...wanted, "observed:", ...got]
}
