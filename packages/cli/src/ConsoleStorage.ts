/**
 * The outbox and the schedule of a database, for the console.
 *
 * @since 0.1.0
 */

import type { Storage } from "@effect-eventbus/console/Storage"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Database from "./Database.ts"
import * as lazyImports from "./lazyImports.ts"

/**
 * Opens the tables of a database, for as long as the scope is open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (input: Database.Input) {
  const { Outbox, ParkedEvents, Scheduler } = yield* lazyImports.sql
  const context = yield* Layer.build(Database.layerTables(input))
  const outbox = yield* Effect.provide(Outbox.make(), context)
  const storage: Storage = {
    outbox: {
      stats: Effect.map(outbox.stats, ({ oldest, parked, waiting }) => ({
        parked,
        waiting,
        oldest: Option.getOrUndefined(Option.map(oldest, Duration.toMillis))
      })),
      parked: Effect.provide(ParkedEvents.list(), context),
      requeue: (eventId) => Effect.provide(ParkedEvents.requeue({ eventId }), context)
    },
    schedule: {
      list: Effect.provide(Scheduler.list(), context),
      cancel: (id) => Effect.map(Effect.provide(Scheduler.cancel(id), context), (result) => result === "Cancelled")
    }
  }
  return storage
})
