/**
 * Handlers with exactly one effect in the database for each event.
 *
 * Events are delivered at least once. An inbox is a table of the events that a
 * subscription has handled. The key of the event and the effect of the handler commit in
 * one transaction, so a second delivery finds the key and does nothing.
 *
 * @since 0.1.0
 */

import type { DecodedDelivery } from "effect-eventbus/DecodedDelivery"
import type { Event } from "effect-eventbus/Event"
import * as Handler from "effect-eventbus/Handler"
import * as Settlement from "effect-eventbus/Settlement"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Dialect from "./internal/Dialect.ts"
import * as Transaction from "./internal/transaction.ts"
import { Tables } from "./Tables.ts"

/**
 * Options of `once`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in Ev extends Event = Event> {
  /**
   * How long the inbox remembers an event. Make it longer than an event may wait in a
   * queue or among the dead letters. Default: 7 days.
   */
  readonly keep?: Duration.Input | undefined
  /**
   * Returns the key of a delivery. Default: the event id. For an event that is to be
   * handled again when it is replayed, add `delivery.envelope.round`.
   */
  readonly by?: ((delivery: DecodedDelivery<Ev>) => string) | undefined
}

/**
 * The inbox.
 *
 * @category services
 * @since 0.1.0
 */
export class Inbox extends Context.Service<
  Inbox,
  {
    /**
     * Records keys in the transaction of the caller, and returns those that were new. A
     * key that another transaction has just recorded is waited for.
     */
    readonly claim: (
      subscription: string,
      keys: Iterable<string>,
      keep: Duration.Duration
    ) => Effect.Effect<ReadonlySet<string>, SqlError>
    readonly withTransaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
    /** Deletes the keys whose time is over, and returns their number. */
    readonly sweep: Effect.Effect<number, SqlError>
  }
>()("@effect-eventbus/sql/Inbox") {}

/** Longer ones do not fit into the column. */
const longestKeep = 2 ** 52

const keepOf = (keep: Duration.Input): Duration.Duration =>
  Duration.min(Duration.fromInputUnsafe(keep), Duration.millis(longestKeep))

/** The keys of one statement, which bounds what a sweep locks. */
const chunk = 1_000

const defaultKeep = Duration.days(7)

/**
 * Makes an inbox on the tables.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Inbox["Service"], never, Tables> = Effect.gen(function* () {
  const tables = yield* Tables
  const { names, sql } = tables
  const { now, skipLocked } = Dialect.of(tables)
  const inbox = sql(names.of("inbox"))

  const claim: Inbox["Service"]["claim"] = Effect.fnUntraced(function* (subscription, keys, keep) {
    // In one order everywhere, so that two transactions never wait for each other.
    const all = [...new Set(keys)].toSorted()
    const expires_ms = sql.literal(`${now} + ${Math.round(Duration.toMillis(keep))}`)
    const fresh = new Set<string>()
    for (let start = 0; start < all.length; start += chunk) {
      const values = all.slice(start, start + chunk).map((key) => sql`(${subscription}, ${key}, ${expires_ms})`)
      const rows = yield* sql<{ event_id: string }>`
        INSERT INTO ${inbox} (subscription, event_id, expires_ms) VALUES ${sql.csv(values)}
        ON CONFLICT DO NOTHING RETURNING event_id`
      for (const { event_id } of rows) fresh.add(event_id)
    }
    return fresh
  })

  const sweepSome = Effect.map(
    sql`DELETE FROM ${inbox} WHERE (subscription, event_id) IN (
      SELECT subscription, event_id FROM ${inbox} WHERE expires_ms < ${sql.literal(now)}
      ORDER BY expires_ms LIMIT ${chunk} ${skipLocked}
    ) RETURNING 1 AS one`,
    (rows) => rows.length
  )
  const sweep = Effect.gen(function* () {
    let sum = 0
    while (true) {
      const count = yield* sweepSome
      sum += count
      if (count < chunk) return sum
    }
  })

  return Inbox.of({ claim, sweep, withTransaction: Transaction.run(sql) })
})

const sweepEvery = "1 minute"

/**
 * A layer with the inbox. It deletes the keys whose time is over, some at a time.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Inbox, never, Tables> = Layer.effect(
  Inbox,
  Effect.tap(make, ({ sweep }) => {
    const attempt = Effect.catch(sweep, ({ message }) => Effect.logWarning(`The inbox was not swept: ${message}`))
    return Effect.forkScoped(Effect.schedule(attempt, Schedule.jittered(Schedule.spaced(sweepEvery))))
  })
)

/**
 * Records keys in the transaction of the caller, and returns those that were new: for
 * handlers of many events at once.
 *
 * @category running
 * @since 0.1.0
 */
export const claim = (
  subscription: string,
  keys: Iterable<string>,
  options: { /** Default: 7 days. */ readonly keep?: Duration.Input | undefined } = {}
): Effect.Effect<ReadonlySet<string>, SqlError, Inbox> =>
  Effect.flatMap(Inbox, (inbox) => inbox.claim(subscription, keys, keepOf(options.keep ?? defaultKeep)))

/**
 * Deletes the keys whose time is over, and returns their number. The layer does so every
 * minute.
 *
 * @category running
 * @since 0.1.0
 */
export const sweep: Effect.Effect<number, SqlError, Inbox> = Effect.flatMap(Inbox, (inbox) => inbox.sweep)

/** Rolls a transaction back whose handler ended without a failure, and yet without an effect. */
class RolledBack {
  readonly settlement: Settlement.Settlement

  constructor(settlement: Settlement.Settlement) {
    this.settlement = settlement
  }
}

/** Returns whether the database undid a transaction to let another pass: done again, it succeeds. */
const isConflict = (error: unknown): boolean =>
  isSqlError(error) && (error.reason._tag === "SerializationError" || error.reason._tag === "DeadlockError")

const conflicts = Schedule.exponential("10 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 8 }))

const skipped = Metric.counter("eventbus_inbox_skipped_total", {
  description: "Deliveries that were skipped, because their event was handled before",
  incremental: true
})

/**
 * Runs a handler in a transaction, once for each event: exactly one effect in this
 * database for an event and a subscription.
 *
 * **Details**
 *
 * The key of the event and the effect of the handler commit together. A second delivery
 * is acknowledged without running the handler. A concurrent one waits, and runs only if
 * the first was rolled back. A failed attempt leaves no key, so retries and replays of
 * dead letters work. What the handler publishes through the outbox commits, too.
 *
 * A serialization failure or a deadlock runs the transaction again, up to eight times,
 * without using up an attempt. `SqlError` joins the errors of the handler, and a policy
 * that does not answer it does not compile.
 *
 * **Gotchas**
 *
 * Effects outside of this database, such as calls to other services, are not covered:
 * they may happen twice. Put `once` before `Handler.onFailure`, so that the policy sees
 * its errors.
 *
 * Throws a `RangeError` for a handler of batches. Such a handler calls `claim` in a
 * transaction of its own.
 *
 * @category combinators
 * @since 0.1.0
 */
export const once =
  <Ev0 extends Event = Event>(options: Options<Ev0> = {}) =>
  <Ev extends Ev0, E, R>(self: Handler.Handler<Ev, E, R>): Handler.Handler<Ev, E | SqlError, R | Inbox> => {
    const keep = keepOf(options.keep ?? defaultKeep)
    const by = options.by ?? (({ event }: DecodedDelivery<Ev>) => event.eventId)
    const { name } = self.subscription
    if (self.steps.some(({ _tag }) => _tag === "Batch")) {
      throw new RangeError(
        `The handler of "${name}" handles batches, which no transaction of a single event can include: call Inbox.claim in a transaction of the batch`
      )
    }
    const counted = Metric.withAttributes(skipped, { queue: name })

    const around =
      (handle: Handler.Handle<Ev, E, R>): Handler.Handle<Ev, E | SqlError, R | Inbox> =>
      (delivery) =>
        Effect.flatMap(Inbox, (inbox) => {
          const attempt = Effect.gen(function* () {
            const key = by(delivery)
            const fresh = yield* inbox.claim(name, [key], keep)
            if (!fresh.has(key)) {
              yield* Metric.update(counted, 1)
              return Settlement.ack
            }
            const settlement = yield* handle(delivery)
            return settlement._tag === "Ack" ? settlement : yield* Effect.fail(new RolledBack(settlement))
          })
          return inbox.withTransaction(attempt).pipe(
            Effect.retry({ while: isConflict, schedule: conflicts }),
            Effect.catchIf(
              (error): error is RolledBack => error instanceof RolledBack,
              ({ settlement }) => Effect.succeed(settlement)
            )
          )
        })

    return Handler.around(self, around, { name: "inbox" })
  }
