/**
 * A store of blobs in a table of PostgreSQL or SQLite, by the `SqlClient` of the
 * application.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { BlobStore, BlobStoreError, tooLarge } from "./BlobStore.ts"

/** The number of blobs that `list` asks for at once. */
const pageSize = 256

const tablePattern = /^[a-z_][a-z0-9_]{0,39}(\.[a-z_][a-z0-9_]{0,39})?$/

const denied: ReadonlySet<string> = new Set(["AuthenticationError", "AuthorizationError"])

const failed = (error: SqlError) =>
  new BlobStoreError({ reason: denied.has(error.reason._tag) ? "Denied" : "Unavailable", detail: error.message })

const amidTransaction = "a blob cannot be written amid a transaction of SQLite: publish by an outbox"

interface Contents {
  readonly size: number
  readonly bytes: Uint8Array | null
}

interface Row {
  readonly name: string
  readonly used_ms: number
}

/**
 * Creates a layer with a store in a table, by default `eventbus_blobs`. The table is
 * created if it is missing.
 *
 * **Details**
 *
 * A service that may not create tables needs this one, and the rights to SELECT, INSERT,
 * UPDATE and DELETE. In SQLite, the types are `TEXT`, `BLOB` and `INTEGER`.
 *
 * ```sql
 * CREATE TABLE eventbus_blobs (
 *   name text PRIMARY KEY,
 *   bytes bytea NOT NULL,
 *   used_ms bigint NOT NULL
 * )
 * ```
 *
 * A blob is written in no transaction of the application, because a rollback would leave
 * an event without its blob. So it is safe before its event is published. On SQLite, a
 * publish of a large payload amid a transaction fails. Publish by an outbox there.
 *
 * Throws a `RangeError` for a name that is not a plain lower-case one, with or without a
 * schema, and for a database that is neither PostgreSQL nor SQLite.
 *
 * **Example** (Blobs in a SQLite file)
 *
 * ```ts
 * import { ClaimCheck, SqlBlobStore } from "@effect-eventbus/bodies"
 * import { NodeSqlite } from "@effect-eventbus/sql"
 * import { Effect, Layer } from "effect"
 *
 * const Blobs = SqlBlobStore.layer().pipe(Layer.provide(NodeSqlite.layer({ filename: ":memory:" })))
 *
 * await Effect.runPromise(Effect.provide(ClaimCheck.sweep({ olderThan: "30 days" }), Blobs))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: {
  readonly table?: string | undefined
}): Layer.Layer<BlobStore, BlobStoreError, SqlClient.SqlClient> => {
  const { table: name = "eventbus_blobs" } = options ?? {}
  if (!tablePattern.test(name)) throw new RangeError(`The table ${JSON.stringify(name)} is not a plain lower-case name`)
  return Layer.effect(
    BlobStore,
    Effect.gen(function* () {
      // An application may write its names in camel case, which the names here are not.
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const isPostgres = sql.onDialectOrElse({
        pg: () => true,
        sqlite: () => false,
        orElse: (): never => {
          throw new RangeError("The store of blobs needs PostgreSQL or SQLite")
        }
      })
      const table = sql(name)
      const [bytesType, timeType] = isPostgres ? ["bytea", "bigint"] : ["BLOB", "INTEGER"]
      const time = sql.literal(isPostgres ? "used_ms::float8 AS used_ms" : "used_ms")
      const isThere = sql`SELECT name FROM ${table} LIMIT 0`
      const create = sql`CREATE TABLE IF NOT EXISTS ${table} (
        name ${sql.literal(isPostgres ? "text" : "TEXT")} PRIMARY KEY,
        bytes ${sql.literal(bytesType)} NOT NULL,
        used_ms ${sql.literal(timeType)} NOT NULL
      )`
      // A service that may not create tables must not try, and one of two that try at once fails on PostgreSQL.
      yield* Effect.catch(isThere, () => Effect.catch(create, () => isThere)).pipe(Effect.mapError(failed))

      const outside = (context: Context.Context<never>): Context.Context<never> =>
        Context.omit(sql.transactionService)(context)

      /** Runs a statement outside of the transaction that the application may be in. */
      const alone = <A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A, BlobStoreError> =>
        Effect.flatMap(Effect.serviceOption(sql.transactionService), (transaction) =>
          Option.isSome(transaction) && !isPostgres
            ? Effect.fail(new BlobStoreError({ reason: "Unavailable", detail: amidTransaction }))
            : effect.pipe(Effect.updateContext(outside), Effect.mapError(failed))
        )

      const write = Effect.fnUntraced(function* (name: string, bytes: Uint8Array) {
        const now = yield* Clock.currentTimeMillis
        const renewed = yield* sql`UPDATE ${table} SET used_ms = ${now} WHERE name = ${name} RETURNING name`
        if (renewed.length > 0) return
        yield* sql`INSERT INTO ${table} ${sql.insert({ name, bytes, used_ms: now })}
          ON CONFLICT (name) DO UPDATE SET used_ms = excluded.used_ms`
      })

      return BlobStore.of({
        put: (name, bytes) => alone(write(name, bytes)),
        get: Effect.fnUntraced(function* (name, limit) {
          const [row] = yield* Effect.mapError(
            sql<Contents>`SELECT length(bytes) AS size, CASE WHEN length(bytes) <= ${limit} THEN bytes END AS bytes
              FROM ${table} WHERE name = ${name}`,
            failed
          )
          if (row === undefined) return Option.none()
          return row.bytes === null ? yield* tooLarge(name, row.size, limit) : Option.some(row.bytes)
        }),
        remove: Effect.fnUntraced(function* (name, unusedSince) {
          const isUnused = unusedSince === undefined ? sql.literal("") : sql`AND used_ms < ${unusedSince}`
          const removed = yield* sql`DELETE FROM ${table} WHERE name = ${name} ${isUnused} RETURNING name`
          if (removed.length > 0) return "removed"
          const left = yield* sql`SELECT name FROM ${table} WHERE name = ${name}`
          return left.length > 0 ? "used" : "missing"
        }, Effect.mapError(failed)),
        list: Stream.paginate("", (after) =>
          Effect.map(
            sql<Row>`SELECT name, ${time} FROM ${table} WHERE name > ${after} ORDER BY name LIMIT ${pageSize}`,
            (rows) => [
              rows.map(({ name, used_ms }) => ({ name, usedAt: used_ms })),
              rows.length < pageSize ? Option.none() : Option.fromUndefinedOr(rows.at(-1)?.name)
            ]
          )
        ).pipe(Stream.mapError(failed))
      })
    })
  )
}
