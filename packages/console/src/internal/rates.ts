/**
 * Events per second, by the metrics of this process. Its counters only grow, so a rate is
 * the difference of two readings.
 *
 * @internal
 */

import * as Metrics from "effect-eventbus/Metrics"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Model from "../ConsoleModel.ts"

type Rates = typeof Model.Rates.Type

/** The longest time over which a rate is counted, and the shortest, in milliseconds. */
const longest = 60_000
const shortest = 1_000

const counters = {
  published: Metrics.all.published.name,
  handled: Metrics.all.handled.name,
  failed: Metrics.all.failed.name
} as const

type Counter = keyof typeof counters

interface Reading {
  readonly at: number
  /** The sum of all series of a counter, or of those of a queue. */
  readonly sum: (counter: Counter, queue?: string) => number
}

const attributesOf = ({ attributes }: Metric.Metric.Snapshot): Readonly<Record<string, string>> => attributes ?? {}

/** Reads the counters. */
const read = (registry: Metrics.Registry, at: number): Reading => {
  const sums = new Map<string, number>()
  const add = (key: string, count: number) => sums.set(key, (sums.get(key) ?? 0) + count)
  for (const metric of Metric.snapshotUnsafe(registry)) {
    if (metric.type !== "Counter") continue
    const count = Number(metric.state.count)
    add(metric.id, count)
    add(`${metric.id} ${attributesOf(metric)["queue"]}`, count)
  }
  return {
    at,
    sum: (counter, queue) => sums.get(queue === undefined ? counters[counter] : `${counters[counter]} ${queue}`) ?? 0
  }
}

/**
 * Returns an effect that reads the counters, and compares them with those of up to a minute ago. It returns `undefined`
 * while this process handles no queue, and until a second has passed.
 */
export const make = (handled: Effect.Effect<ReadonlyArray<string>>): Effect.Effect<Effect.Effect<Rates | undefined>> =>
  Effect.map(Metrics.registry, (registry) => {
    let readings: ReadonlyArray<Reading> = []
    return Effect.gen(function* () {
      const queues = yield* handled
      if (queues.length === 0) return undefined
      const now = read(registry, yield* Clock.currentTimeMillis)
      readings = [...readings.filter(({ at }) => now.at - at <= longest && at <= now.at), now]
      const [first = now] = readings
      const over = now.at - first.at
      if (over < shortest) return undefined
      const rate = (counter: Counter, queue?: string) =>
        ((now.sum(counter, queue) - first.sum(counter, queue)) * 1000) / over
      const rates: Rates = {
        at: now.at,
        over,
        published: rate("published"),
        queues: queues.map((queue) => ({ queue, handled: rate("handled", queue), failed: rate("failed", queue) }))
      }
      return rates
    })
  })
