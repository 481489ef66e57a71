/**
 * Events that are published later, or again and again.
 *
 * A scheduled event is a row of the outbox with a due time. It commits with the data of
 * the application, survives every restart, and can be cancelled up to its time. The
 * clock is that of the database alone.
 *
 * @since 0.1.0
 */

import type { Event } from "effect-eventbus/Event"
import type * as Cron from "effect/Cron"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import * as Causes from "./internal/causes.ts"
import * as CronTicks from "./internal/cronTicks.ts"
import * as Due from "./internal/Due.ts"
import * as ScheduleTable from "./internal/ScheduleTable.ts"
import * as Transaction from "./internal/transaction.ts"
import { Outbox, type OutboxError, type PublishOptions } from "./Outbox.ts"
import { Tables } from "./Tables.ts"

/**
 * A scheduled event, without its body.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScheduledEvent {
  /** The id of the event, by which it is cancelled. */
  readonly id: string
  readonly eventType: string
  readonly key: string | undefined
  readonly due: Date
}

/**
 * Options of a scheduled event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<PublishOptions, "delay" | "deliverAt"> {}

const dueOf = (at: Date | Duration.Input): Due.Due => (at instanceof Date ? Due.at(at) : Due.after(at))

/**
 * Schedules an event in the transaction of the caller, and returns the id by which you
 * cancel it: its event id.
 *
 * **Details**
 *
 * The event is never early. A relay publishes it at its time, or as soon as one runs.
 * With a `key`, it takes its place among the events of the key when it is due. An event
 * that is scheduled already gets the new time. `ttlSeconds` counts from its time.
 *
 * **Example** (A reminder that a payment cancels)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect, Layer } from "effect"
 * import { EventType } from "effect-eventbus"
 * import { SqlClient } from "effect/sql"
 * import { NodeSqlite, Outbox, Scheduler, Tables } from "@effect-eventbus/sql"
 *
 * const Reminder = EventType.untyped("payment.reminder")
 *
 * const program = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   const reminder = yield* Reminder.event({ orderId: "o-1" })
 *   const id = yield* sql.withTransaction(Scheduler.publishAt(reminder, "3 days"))
 *   assert.strictEqual(yield* Scheduler.cancel(id), "Cancelled")
 *   assert.strictEqual(yield* Scheduler.cancel(id), "TooLate")
 * })
 *
 * const App = Outbox.layer().pipe(
 *   Layer.provideMerge(Tables.layerMigrated()),
 *   Layer.provideMerge(NodeSqlite.layer({ filename: ":memory:" }))
 * )
 * await Effect.runPromise(Effect.provide(program, App))
 * ```
 *
 * @category publishing
 * @since 0.1.0
 */
export const publishAt = (
  event: Event,
  at: Date | Duration.Input,
  options?: Options
): Effect.Effect<string, OutboxError, Outbox> =>
  Effect.suspend(() => {
    const due = dueOf(at)
    return Effect.flatMap(Outbox, (outbox) => Effect.as(outbox.publishAt(event, due, options), event.eventId))
  })

/**
 * Cancels a scheduled event. One statement decides: `Cancelled` means that it is never
 * published, `TooLate` that it was or will be, or that it was cancelled before.
 *
 * @category running
 * @since 0.1.0
 */
export const cancel = (id: string): Effect.Effect<"Cancelled" | "TooLate", SqlError, Tables> =>
  Effect.map(
    Effect.flatMap(Tables, (tables) => ScheduleTable.make(tables).cancel(id)),
    (isCancelled) => (isCancelled ? "Cancelled" : "TooLate")
  )

/**
 * Moves a scheduled event to another time. `TooLate` is that of `cancel`.
 *
 * @category running
 * @since 0.1.0
 */
export const reschedule = (
  id: string,
  at: Date | Duration.Input
): Effect.Effect<"Rescheduled" | "TooLate", SqlError, Tables | Outbox> =>
  Effect.gen(function* () {
    const tables = yield* Tables
    const { wake } = yield* Outbox
    const isMoved = yield* ScheduleTable.make(tables).reschedule(id, dueOf(at))
    yield* tables.sql.afterCommit(wake)
    return isMoved ? "Rescheduled" : "TooLate"
  })

/**
 * Returns scheduled events, the next first.
 *
 * @category getters
 * @since 0.1.0
 */
export const list = (
  options: { /** Default: 100. */ readonly limit?: number | undefined } = {}
): Effect.Effect<ReadonlyArray<ScheduledEvent>, SqlError, Tables> =>
  Effect.map(
    Effect.flatMap(Tables, (tables) => ScheduleTable.make(tables).list(options.limit ?? 100)),
    (rows) =>
      rows.map(({ due_ms, event_id, event_type, key }) => ({
        id: event_id,
        eventType: event_type,
        key: key ?? undefined,
        due: new Date(due_ms)
      }))
  )

/**
 * Options of `cron`.
 *
 * @category models
 * @since 0.1.0
 */
export interface CronOptions extends Options {
  /**
   * The ticks to publish of those that were missed, because no instance ran: the
   * `latest` one, `all` or `none`. Default: `latest`.
   */
  readonly missed?: "latest" | "all" | "none" | undefined
}

/** A sleep that is cut short notices that the clock of the database was set. */
const longestSleep = 30_000

/**
 * A layer that publishes an event at each tick of a schedule. Each tick makes one event,
 * however many instances run the layer.
 *
 * **Details**
 *
 * The name identifies the schedule in the database: its last tick is recorded there, in
 * the transaction that writes the event. A schedule with a time zone follows its
 * daylight saving: a daily tick comes once a day, also on the days when clocks change.
 * A new name starts with the next tick.
 *
 * @category layers
 * @since 0.1.0
 */
export const cron = <R = never>(
  name: string,
  schedule: Cron.Cron,
  make: (tick: Date) => Effect.Effect<Event, never, R>,
  options: CronOptions = {}
): Layer.Layer<never, never, Outbox | Tables | R> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const tables = yield* Tables
      const outbox = yield* Outbox
      const table = ScheduleTable.make(tables)
      const { missed = "latest", ...publish } = options

      const tick = Effect.gen(function* () {
        const { last, now } = yield* table.tickOf(name)
        const { ticks, upTo } = CronTicks.due(schedule, last, now, missed)
        if (upTo > last) {
          const events = yield* Effect.forEach(ticks, (tick) => make(new Date(tick)))
          yield* Transaction.run(tables.sql)(
            Effect.gen(function* () {
              // Another instance may have been faster.
              if (yield* table.advance(name, last, upTo)) yield* outbox.publishAll(events, publish)
            })
          )
          if (missed === "all" && CronTicks.after(schedule, upTo) <= now) return 0
        }
        return Math.min(Math.max(CronTicks.after(schedule, now) - now, 1), longestSleep)
      })

      const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")])
      const loop = Effect.forever(
        tick.pipe(
          // A defect of `make`, too, must not end the schedule.
          Effect.sandbox,
          Effect.tapError((cause) => Effect.logWarning(`The schedule "${name}" waits: ${Causes.messageOf(cause)}`)),
          Effect.retry(again),
          Effect.flatMap((millis) => Effect.sleep(millis))
        )
      )
      yield* Effect.forkScoped(loop)
    })
  )
