/**
 * The events that the broker refused for good, and those behind them with the same key.
 *
 * They wait for an operator: `requeue` puts them back into the outbox once the cause is
 * mended, `discard` deletes them.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as Dialect from "./internal/Dialect.ts"
import * as Transaction from "./internal/transaction.ts"
import { Tables } from "./Tables.ts"

/**
 * A parked event, without its body.
 *
 * @category models
 * @since 0.1.0
 */
export interface ParkedEvent {
  readonly eventId: string
  readonly eventType: string
  readonly key: string | undefined
  /** The size of the body, in bytes. */
  readonly bytes: number
  /** The time since which it is parked, by the clock of the database. */
  readonly parkedAt: Date
  /** The reason of the broker, or the event that it is behind. */
  readonly reason: string
}

/**
 * A choice of parked events. Without a member it is all of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Filter {
  readonly eventId?: string | undefined
  readonly key?: string | undefined
}

interface Row {
  readonly event_id: string
  readonly event_type: string
  readonly key: string | null
  readonly bytes: number
  readonly parked_ms: number
  readonly reason: string
}

/**
 * Returns parked events, the oldest first.
 *
 * @category getters
 * @since 0.1.0
 */
export const list = Effect.fnUntraced(function* (
  filter: Filter & { /** Default: 100. */ readonly limit?: number | undefined } = {}
): Effect.fn.Return<ReadonlyArray<ParkedEvent>, SqlError, Tables> {
  const tables = yield* Tables
  const { names, sql } = tables
  const { number } = Dialect.of(tables)
  const rows = yield* sql<Row>`
    SELECT event_id, event_type, key, ${number("length(body)")} AS bytes, ${number("parked_ms")} AS parked_ms, reason
    FROM ${sql(names.of("parked"))} AS p WHERE ${conditionOf(tables, filter)} ORDER BY p.seq LIMIT ${filter.limit ?? 100}`
  return rows.map(({ bytes, event_id, event_type, key, parked_ms, reason }) => ({
    eventId: event_id,
    eventType: event_type,
    key: key ?? undefined,
    bytes,
    parkedAt: new Date(parked_ms),
    reason
  }))
})

const conditionOf = ({ sql }: Tables["Service"], { eventId, key }: Filter) =>
  sql.and([
    ...(eventId === undefined ? [] : [sql`event_id = ${eventId}`]),
    ...(key === undefined ? [] : [sql`key = ${key}`])
  ])

/**
 * Puts parked events back into the outbox, and returns their number. An event with a
 * key takes all events of that key along, so that their order stays.
 *
 * @category running
 * @since 0.1.0
 */
export const requeue = Effect.fnUntraced(function* (filter: Filter = {}): Effect.fn.Return<number, SqlError, Tables> {
  const tables = yield* Tables
  const { names, sql } = tables
  const outbox = sql(names.of("outbox"))
  const parked = sql(names.of("parked"))
  const columns = sql.literal("seq, event_id, event_type, key, headers, body, since_ms")
  const { forUpdate, isAny } = Dialect.of(tables)
  const chosen = conditionOf(tables, filter)
  const found = yield* sql<{ key: string }>`SELECT DISTINCT key FROM ${parked} WHERE ${chosen} AND key IS NOT NULL`
  const keys = found.map(({ key }) => key)
  const wanted = keys.length === 0 ? chosen : sql`(${chosen} OR ${isAny("key", keys)})`
  /** A relay may park one more meanwhile, behind those that are locked here: it is found in the next round. */
  const some = Effect.gen(function* () {
    const rows = yield* sql<{ seq: number | bigint }>`
      SELECT seq FROM ${parked} WHERE ${wanted} ORDER BY seq LIMIT 1000 ${forUpdate}`
    if (rows.length === 0) return 0
    const isChosen = isAny(
      "seq",
      rows.map(({ seq }) => Number(seq))
    )
    yield* sql`INSERT INTO ${outbox} (${columns}) SELECT ${columns} FROM ${parked} WHERE ${isChosen}`
    yield* sql`DELETE FROM ${parked} WHERE ${isChosen}`
    return rows.length
  })
  const all = Effect.gen(function* () {
    let sum = 0
    while (true) {
      const count = yield* some
      if (count === 0) return sum
      sum += count
    }
  })
  return yield* Transaction.run(sql)(all)
})

/**
 * Deletes parked events, and returns their number. Those behind them stay parked:
 * requeue their key afterwards.
 *
 * @category running
 * @since 0.1.0
 */
export const discard = Effect.fnUntraced(function* (filter: Filter): Effect.fn.Return<number, SqlError, Tables> {
  const tables = yield* Tables
  const { names, sql } = tables
  const rows =
    yield* sql`DELETE FROM ${sql(names.of("parked"))} WHERE ${conditionOf(tables, filter)} RETURNING event_id`
  return rows.length
})
