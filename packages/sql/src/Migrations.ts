/**
 * The migrations of the tables, as effects and as SQL.
 *
 * Each version of this package adds migrations and changes none. `migrate` runs what is
 * missing. Those who run their migrations themselves take the files in the folder
 * `migrations` of this package, or `script` for other names.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as MigrationSteps from "./internal/migrationSteps.ts"
import * as TableNames from "./TableNames.ts"

/**
 * The databases that there are migrations for.
 *
 * @category models
 * @since 0.1.0
 */
export type Dialect = "postgres" | "sqlite"

/**
 * A step from one version of the tables to the next.
 *
 * @category models
 * @since 0.1.0
 */
export interface Migration {
  /** The version that the tables have afterwards. */
  readonly id: number
  readonly name: string
  readonly statements: ReadonlyArray<string>
}

/**
 * Returns all migrations, in their order. Throws a `RangeError` for a schema on SQLite.
 *
 * @category getters
 * @since 0.1.0
 */
export const all = (dialect: Dialect, options: TableNames.Options = {}): ReadonlyArray<Migration> => {
  const names = TableNames.make(options)
  if (dialect === "postgres" || names.schema === undefined) return MigrationSteps.all(dialect, names)
  throw new RangeError(`SQLite has no schemas: leave out the schema "${names.schema}", and use a prefix`)
}

/**
 * Returns the version of the tables that this version of the package needs.
 *
 * @category getters
 * @since 0.1.0
 */
export const latest: number = Math.max(...all("sqlite").map(({ id }) => id))

/**
 * Returns the tables that a database has after all migrations, without their prefix.
 *
 * @category getters
 * @since 0.1.0
 */
export const tables = (dialect: Dialect): ReadonlyArray<TableNames.Table> =>
  dialect === "postgres"
    ? ["migrations", "outbox", "parked", "inbox", "cron"]
    : ["migrations", "outbox", "parked", "inbox", "cron", "lease"]

/** As Effect's migrator keeps it, so that scripts and `migrate` may take turns. */
const migrationsTable = (dialect: Dialect, names: TableNames.TableNames): string =>
  dialect === "postgres"
    ? `CREATE TABLE IF NOT EXISTS ${names.quoted("migrations")} (
  migration_id integer PRIMARY KEY,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  name text NOT NULL
)`
    : `CREATE TABLE IF NOT EXISTS ${names.quoted("migrations")} (
  migration_id integer PRIMARY KEY NOT NULL,
  created_at datetime NOT NULL DEFAULT current_timestamp,
  name varchar(255) NOT NULL
)`

/**
 * Returns a migration as an SQL script in one transaction, for a tool of your own. It
 * records its version as `migrate` does, so both know what the other has done.
 *
 * **Example** (Printing the scripts)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Migrations } from "@effect-eventbus/sql"
 *
 * const scripts = Migrations.all("postgres").map(({ id }) => Migrations.script("postgres", id, { schema: "bus" }))
 * assert.match(scripts[0] ?? "", /CREATE TABLE "bus"."eventbus_outbox"/)
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const script = (dialect: Dialect, id: number, options: TableNames.Options = {}): string => {
  const names = TableNames.make(options)
  const migration = all(dialect, options).find((each) => each.id === id)
  if (migration === undefined) throw new RangeError(`There is no migration ${id}: the last is ${latest}`)
  const statements = [
    ...(id === 1 && names.schema !== undefined ? [`CREATE SCHEMA IF NOT EXISTS "${names.schema}"`] : []),
    ...(id === 1 ? [migrationsTable(dialect, names)] : []),
    `INSERT INTO ${names.quoted("migrations")} (migration_id, name) VALUES (${id}, '${migration.name}')`,
    ...migration.statements
  ]
  return `BEGIN;\n\n${statements.map((statement) => `${statement};\n`).join("\n")}\nCOMMIT;\n`
}

/** Asking for the schema first spares users who may not create one. Of two that create it at once, one fails, even so. */
const ensureSchema = (sql: SqlClient.SqlClient, schema: string) => {
  const isThere = Effect.map(
    sql`SELECT 1 AS found WHERE to_regnamespace(${schema}) IS NOT NULL`,
    (found) => found.length > 0
  )
  const create = Effect.catch(sql`CREATE SCHEMA IF NOT EXISTS ${sql(schema)}`, (error) =>
    Effect.flatMap(isThere, (isThereNow) => (isThereNow ? Effect.void : Effect.fail(error)))
  )
  return Effect.flatMap(isThere, (isThereNow) => (isThereNow ? Effect.void : Effect.asVoid(create)))
}

/**
 * Returns the dialect of a client. Dies with a `RangeError` for other databases.
 *
 * @category getters
 * @since 0.1.0
 */
export const dialectOf = (sql: SqlClient.SqlClient): Dialect =>
  sql.onDialectOrElse({
    pg: (): Dialect => "postgres",
    sqlite: (): Dialect => "sqlite",
    orElse: (): never => {
      throw new RangeError("Outbox and inbox need PostgreSQL or SQLite")
    }
  })

/**
 * Runs the migrations that are missing, in one transaction, and returns their ids. Many
 * processes may run them at once.
 *
 * @category running
 * @since 0.1.0
 */
export const migrate = Effect.fnUntraced(function* (
  options: TableNames.Options = {}
): Effect.fn.Return<ReadonlyArray<number>, SqlError | Migrator.MigrationError, SqlClient.SqlClient> {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const names = TableNames.make(options)
  const dialect = dialectOf(sql)
  const migrations = all(dialect, options)
  if (names.schema !== undefined) yield* ensureSchema(sql, names.schema)
  const run = Migrator.make({})({
    table: names.of("migrations"),
    loader: Effect.succeed(
      migrations.map(({ id, name, statements }): Migrator.ResolvedMigration => [
        id,
        name,
        Effect.succeed(Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true }))
      ])
    )
  })
  const done = yield* run
  return done.map(([id]) => id)
})
