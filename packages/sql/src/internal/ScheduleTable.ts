/**
 * The statements on scheduled events, which are rows of the outbox with a due time.
 *
 * Their sequence is negative, so that a relay, which reads from 1 on, passes over none of
 * them. When one is due, it becomes a row like any other, in a transaction of its own:
 * from then on it is published, so it can be cancelled no more.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Tables } from "../Tables.ts"
import * as Dialect from "./Dialect.ts"
import type { Due } from "./Due.ts"
import type { NewRow } from "./OutboxRow.ts"
import * as Transaction from "./transaction.ts"

export interface ScheduledRow {
  readonly event_id: string
  readonly event_type: string
  readonly key: string | null
  readonly due_ms: number
}

export interface ScheduleTable {
  readonly insert: (row: NewRow, due: Due) => Effect.Effect<void, SqlError>
  readonly cancel: (id: string) => Effect.Effect<boolean, SqlError>
  readonly reschedule: (id: string, due: Due) => Effect.Effect<boolean, SqlError>
  readonly list: (limit: number) => Effect.Effect<ReadonlyArray<ScheduledRow>, SqlError>
  /** Moves some of what is due to the relays. Returns the time to the next look, in milliseconds. */
  readonly promote: Effect.Effect<number, SqlError>
  /** Returns the last tick of a schedule, which starts now, and the time now. */
  readonly tickOf: (name: string) => Effect.Effect<{ readonly last: number; readonly now: number }, SqlError>
  /** Advances a schedule from one tick to another, unless another instance has. */
  readonly advance: (name: string, from: number, to: number) => Effect.Effect<boolean, SqlError>
}

/** The rows that are promoted at once, which bounds the transaction. */
const chunk = 500

export const make = (tables: Tables["Service"]): ScheduleTable => {
  const { names, sql } = tables
  const { isPostgres, now, number, skipLocked } = Dialect.of(tables)
  const outbox = sql(names.of("outbox"))
  const cron = sql(names.of("cron"))
  const columns = sql.literal("event_id, event_type, key, headers, body")
  /** The headers say when the event was due, as those of a broker do. One that was due before it was published was not delayed. */
  const promoted = sql.literal(`event_id, event_type, key,
    '{"dueAt":' || (CASE WHEN due_ms > since_ms THEN due_ms ELSE since_ms END) || ',' || substr(headers, 2), body`)

  const momentOf = ({ _tag, millis }: Due) =>
    _tag === "At" ? sql`${millis}` : sql.literal(`${now} + ${Math.round(millis)}`)

  const nextSeq = sql.literal(
    isPostgres
      ? `-nextval(pg_get_serial_sequence('${names.quoted("outbox")}', 'seq'))`
      : `(SELECT min(coalesce(min(seq), 0), 0) - 1 FROM ${names.quoted("outbox")})`
  )

  const insert: ScheduleTable["insert"] = ({ body, event_id, event_type, headers, key }, due) =>
    Effect.asVoid(sql`
      INSERT INTO ${outbox} (seq, ${columns}, due_ms)
      VALUES (${nextSeq}, ${event_id}, ${event_type}, ${key}, ${headers}, ${body}, ${momentOf(due)})
      ON CONFLICT (event_id) WHERE due_ms IS NOT NULL DO UPDATE
      SET key = excluded.key, headers = excluded.headers, body = excluded.body, due_ms = excluded.due_ms`)

  const dueRows = sql`
    SELECT seq FROM ${outbox} WHERE due_ms <= ${sql.literal(now)} ORDER BY due_ms, seq DESC LIMIT ${chunk} ${skipLocked}`

  const promotePostgres = Effect.map(
    sql`
      WITH due AS (DELETE FROM ${outbox} WHERE seq IN (${dueRows}) RETURNING *)
      INSERT INTO ${outbox} (${columns}) SELECT ${promoted} FROM due ORDER BY due_ms, seq DESC RETURNING 1 AS one`,
    (rows) => rows.length
  )

  const promoteSqlite = Transaction.run(sql)(
    Effect.gen(function* () {
      const rows = yield* sql<{ seq: number }>`${dueRows}`
      const seqs = JSON.stringify(rows.map(({ seq }) => seq))
      const chosen = sql`seq IN (SELECT value FROM json_each(${seqs}))`
      yield* sql`INSERT INTO ${outbox} (${columns}) SELECT ${promoted} FROM ${outbox} WHERE ${chosen} ORDER BY due_ms, seq DESC`
      yield* sql`DELETE FROM ${outbox} WHERE ${chosen}`
      return rows.length
    })
  )

  const untilNext = Effect.map(
    sql<{ ms: number }>`
      SELECT ${number(`due_ms - ${now}`)} AS ms FROM ${outbox} WHERE due_ms IS NOT NULL ORDER BY due_ms LIMIT 1`,
    ([row]) => row?.ms ?? Number.POSITIVE_INFINITY
  )

  const promote = Effect.gen(function* () {
    const millis = yield* untilNext
    if (millis > 0) return millis
    const count = yield* isPostgres ? promotePostgres : promoteSqlite
    // If there is none, another relay has locked what is due.
    return count === 0 ? 20 : 0
  })

  return {
    insert,
    promote,
    cancel: (id) =>
      Effect.map(
        sql`DELETE FROM ${outbox} WHERE event_id = ${id} AND due_ms IS NOT NULL RETURNING 1 AS one`,
        (rows) => rows.length > 0
      ),
    reschedule: (id, due) =>
      Effect.map(
        sql`UPDATE ${outbox} SET due_ms = ${momentOf(due)} WHERE event_id = ${id} AND due_ms IS NOT NULL RETURNING 1 AS one`,
        (rows) => rows.length > 0
      ),
    list: (limit) => sql<ScheduledRow>`
      SELECT event_id, event_type, key, ${number("due_ms")} AS due_ms FROM ${outbox} AS o
      WHERE o.due_ms IS NOT NULL ORDER BY o.due_ms LIMIT ${limit}`,
    tickOf: (name) =>
      Effect.gen(function* () {
        yield* sql`INSERT INTO ${cron} (name, tick_ms) VALUES (${name}, ${sql.literal(now)}) ON CONFLICT DO NOTHING`
        const [row] = yield* sql<{ last: number; now: number }>`
          SELECT ${number("tick_ms")} AS last, ${number(now)} AS now FROM ${cron} WHERE name = ${name}`
        return row ?? { last: 0, now: 0 }
      }),
    advance: (name, from, to) =>
      Effect.map(
        sql`UPDATE ${cron} SET tick_ms = ${to} WHERE name = ${name} AND tick_ms = ${from} RETURNING 1 AS one`,
        (rows) => rows.length > 0
      )
  }
}
