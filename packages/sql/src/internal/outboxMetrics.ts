/**
 * The gauges of the outbox, which a relay keeps.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { Stats } from "./OutboxTable.ts"

const waiting = Metric.gauge("eventbus_outbox_waiting", { description: "Events in the outbox that wait for a relay" })
const oldest = Metric.gauge("eventbus_outbox_oldest_seconds", {
  description: "Time that the oldest event in the outbox has waited"
})
const parked = Metric.gauge("eventbus_outbox_parked", {
  description: "Events in the outbox that the broker refused for good, and those behind them"
})

/** Counting a long backlog takes the database some time, so it is not asked more often. */
const every = "10 seconds"

/** Keeps the gauges until the scope closes. */
export const start = (stats: Effect.Effect<Stats, SqlError>): Effect.Effect<void, never, Scope.Scope> => {
  const update = Effect.flatMap(stats, (now) =>
    Effect.all(
      [
        Metric.update(waiting, now.waiting),
        Metric.update(oldest, (now.oldest ?? 0) / 1000),
        Metric.update(parked, now.parked)
      ],
      { discard: true }
    )
  )
  return Effect.asVoid(Effect.forkScoped(Effect.repeat(Effect.ignore(update), Schedule.spaced(every))))
}
