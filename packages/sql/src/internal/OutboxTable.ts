/**
 * The statements on the outbox, but for those of a relay.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Tables } from "../Tables.ts"
import * as Dialect from "./Dialect.ts"
import type { NewRow } from "./OutboxRow.ts"

export interface Stats {
  readonly waiting: number
  /** The age of the oldest event that waits, in milliseconds. */
  readonly oldest: number | undefined
  readonly parked: number
}

export interface OutboxTable {
  /** Inserts rows of one key, or without one, in their order and in the transaction of the caller. */
  readonly insert: (rows: ReadonlyArray<NewRow>) => Effect.Effect<void, SqlError>
  readonly stats: Effect.Effect<Stats, SqlError>
}

/** The rows of one statement: each takes five of its parameters. */
const chunk = 500

/** The bytes of their bodies. PostgreSQL takes messages of up to a gigabyte, and a message takes twice its memory. */
const chunkBytes = 8 * 1024 * 1024

const chunksOf = (rows: ReadonlyArray<NewRow>): ReadonlyArray<ReadonlyArray<NewRow>> => {
  const chunks: Array<Array<NewRow>> = []
  let last: Array<NewRow> = []
  let bytes = 0
  for (const row of rows) {
    bytes += row.body.length
    if (chunks.length === 0 || last.length === chunk || bytes > chunkBytes) {
      last = []
      chunks.push(last)
      bytes = row.body.length
    }
    last.push(row)
  }
  return chunks
}

export const make = (tables: Tables["Service"]): OutboxTable => {
  const { names, sql } = tables
  const { isPostgres, now, number } = Dialect.of(tables)
  const outbox = sql(names.of("outbox"))
  const parked = sql(names.of("parked"))

  const columns = sql.literal("event_id, event_type, key, headers, body")

  const lockOf = (key: string) => sql`pg_advisory_xact_lock(hashtext(${names.of("outbox")}), hashtext(${key}::text))`

  const insertOne = ({ body, event_id, event_type, headers, key }: NewRow) =>
    key === null || !isPostgres
      ? sql`INSERT INTO ${outbox} (${columns}) VALUES (${event_id}, ${event_type}, ${key}, ${headers}, ${body})`
      : sql`
          INSERT INTO ${outbox} (${columns})
          SELECT ${event_id}::text, ${event_type}::text, ${key}::text, ${headers}::text, ${body}::bytea
          FROM (SELECT ${lockOf(key)}) AS locked`

  /** Arrays, so that the statement is prepared once for any number of rows. */
  const insertArrays = (rows: ReadonlyArray<NewRow>, key: string | null) => sql`
    INSERT INTO ${outbox} (${columns})
    SELECT e.event_id, e.event_type, ${key}::text, e.headers, e.body
    FROM unnest(${rows.map(({ event_id }) => event_id)}::text[], ${rows.map(({ event_type }) => event_type)}::text[],
      ${rows.map(({ headers }) => headers)}::text[], ${rows.map(({ body }) => body)}::bytea[])
      WITH ORDINALITY AS e(event_id, event_type, headers, body, place)
    ORDER BY e.place`

  const insertSome = ([first, ...rest]: ReadonlyArray<NewRow>): Effect.Effect<void, SqlError> => {
    if (first === undefined) return Effect.void
    if (rest.length === 0) return Effect.asVoid(insertOne(first))
    return Effect.asVoid(
      isPostgres
        ? insertArrays([first, ...rest], first.key)
        : sql`INSERT INTO ${outbox} ${sql.insert([first, ...rest])}`
    )
  }

  /**
   * On PostgreSQL, takes the lock of the key before the sequence is drawn, and holds it until the commit. So the sequence is
   * the order of commits within a key, without a look at unrelated transactions. SQLite has one writer at a time, which is
   * the same.
   */
  const insert: OutboxTable["insert"] = (rows) => {
    const all = Effect.forEach(chunksOf(rows), insertSome, { discard: true })
    const key = rows[0]?.key ?? null
    return isPostgres && key !== null && rows.length > 1 ? Effect.andThen(sql`SELECT ${lockOf(key)}`, all) : all
  }

  const stats = Effect.map(
    sql<Record<"waiting" | "parked", number> & { readonly oldest: number | null }>`
      SELECT
        (SELECT ${number("count(*)")} FROM ${outbox} WHERE seq > 0) AS waiting,
        (SELECT ${number(`${now} - since_ms`)} FROM ${outbox} WHERE seq > 0 ORDER BY seq LIMIT 1) AS oldest,
        (SELECT ${number("count(*)")} FROM ${parked}) AS parked`,
    ([row]): Stats => ({
      waiting: row?.waiting ?? 0,
      oldest: row?.oldest ?? undefined,
      parked: row?.parked ?? 0
    })
  )

  return { insert, stats }
}
