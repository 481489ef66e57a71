/**
 * SQLite for Effect's `SqlClient`, on the module `node:sqlite`.
 *
 * npm has no SQLite driver for Effect 4.1 yet. This layer is small on purpose, and gives
 * way to such a driver: everything else in this package takes any `SqlClient`.
 *
 * @since 0.1.0
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"

/**
 * Options of a SQLite client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The path of the database, or `:memory:`. */
  readonly filename: string
  /**
   * The longest time to wait for the lock of another process. Waiting does not block
   * this process. Default: 5 seconds.
   */
  readonly busyTimeout?: Duration.Input | undefined
}

interface Connection extends SqlConnection.Connection {
  readonly isOpen: () => boolean
}

/** Comments and semicolons, which may come after a statement. */
const isBlank = /^(?:[\s;]|--[^\n]*(?:\n|$)|\/\*[^]*?\*\/)*$/

/** The number of statements that stay prepared. */
const maxPrepared = 200

/** Effect reads the number of the error from `errno`, where other drivers have it. */
const sqlError = (cause: unknown, operation: string): SqlError => {
  const errno = cause instanceof Error && "errcode" in cause ? cause.errcode : undefined
  return new SqlError({
    reason: classifySqliteError(cause instanceof Error ? Object.assign(cause, { errno }) : cause, {
      message: cause instanceof Error ? `SQLite: ${cause.message}` : "SQLite failed",
      operation
    })
  })
}

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, SqlError> =>
  Effect.try({ try: run, catch: (cause) => sqlError(cause, operation) })

const toInput = (value: unknown): SQLInputValue => {
  if (value === undefined || value === null) return null
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") return value
  if (value instanceof Uint8Array) return value
  if (typeof value === "boolean") return value ? 1 : 0
  if (value instanceof Date) return value.toISOString()
  return JSON.stringify(value)
}

const open = (options: Options): Effect.Effect<DatabaseSync, SqlError, Scope.Scope> =>
  Effect.acquireRelease(
    attempt("connect", () => new DatabaseSync(options.filename)),
    (database) => Effect.sync(() => database.close())
  )

const connectionOf = (database: DatabaseSync, busyTimeout: Duration.Duration): Connection => {
  const prepared = new Map<string, StatementSync>()

  const prepare = (sql: string): StatementSync => {
    const found = prepared.get(sql)
    if (found !== undefined) return found
    if (prepared.size >= maxPrepared) prepared.clear()
    const statement = database.prepare(sql)
    // SQLite prepares the first statement, and says nothing of the others.
    const rest = sql.slice(statement.sourceSQL.length)
    if (!isBlank.test(rest)) throw new TypeError("one string has several statements: run them one by one")
    prepared.set(sql, statement)
    return statement
  }

  // SQLite's own busy timeout would block the thread, and with it a transaction of this process that holds the lock.
  const waiting = Schedule.spaced("5 millis").pipe(Schedule.jittered, Schedule.upTo({ duration: busyTimeout }))

  const run = <A>(sql: string, use: (statement: StatementSync) => A): Effect.Effect<A, SqlError> =>
    Effect.retry(
      attempt("execute", () => use(prepare(sql))),
      { schedule: waiting, while: ({ reason }) => reason._tag === "LockTimeoutError" }
    )

  const rows = (sql: string, params: ReadonlyArray<unknown>) =>
    run(sql, (statement) => {
      statement.setReturnArrays(false)
      // The rows of Node have no prototype, so they would equal no object literal.
      return statement.all(...params.map(toInput)).map((row) => ({ ...row }))
    })

  const values = (sql: string, params: ReadonlyArray<unknown>) =>
    run(sql, (statement): ReadonlyArray<ReadonlyArray<unknown>> => {
      statement.setReturnArrays(true)
      // An array for each row, which the types of Node do not say.
      return statement.all(...params.map(toInput)).map((row) => (Array.isArray(row) ? row : Object.values(row)))
    })

  const execute: Connection["execute"] = (sql, params, transformRows) => {
    const found = rows(sql, params)
    return transformRows === undefined ? found : Effect.map(found, transformRows)
  }

  return {
    isOpen: () => database.isTransaction,
    execute,
    executeUnprepared: execute,
    executeValues: values,
    executeValuesUnprepared: values,
    executeRaw: (sql, params) => run(sql, (statement) => statement.run(...params.map(toInput))),
    executeStream: (sql, params, transformRows) => Stream.fromIterableEffect(execute(sql, params, transformRows))
  }
}

/**
 * Opens a database, with its journal as a write-ahead log. All statements share one
 * connection, so a transaction waits for the one before it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options
): Effect.Effect<SqlClient.SqlClient, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function* () {
    const database = yield* open(options)
    const busyTimeout = Duration.fromInputUnsafe(options.busyTimeout ?? "5 seconds")
    const connection = connectionOf(database, busyTimeout)
    yield* connection.execute("PRAGMA journal_mode = WAL", [], undefined)
    const semaphore = yield* Semaphore.make(1)
    const acquirers = SqlClient.makeSqliteAcquirers({
      connection: Effect.succeed(connection),
      semaphore,
      isTransaction: ({ isOpen }) => isOpen()
    })
    return yield* SqlClient.make({
      ...acquirers,
      driver: "eventbus-node-sqlite",
      compiler: Statement.makeCompilerSqlite(),
      // A transaction that began as a reader could not become a writer while another process writes.
      beginTransaction: "BEGIN IMMEDIATE",
      releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
      prepareTransactionControls: true,
      spanAttributes: [["db.system.name", "sqlite"]]
    })
  })

/**
 * A layer with a SQLite client.
 *
 * **Example** (A database in memory)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect } from "effect"
 * import { SqlClient } from "effect/sql"
 * import { NodeSqlite } from "@effect-eventbus/sql"
 *
 * const program = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   assert.deepStrictEqual(yield* sql`SELECT 1 + 1 AS two`, [{ two: 2 }])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, NodeSqlite.layer({ filename: ":memory:" })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<SqlClient.SqlClient, SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer))
