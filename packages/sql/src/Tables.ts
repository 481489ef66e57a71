/**
 * The tables in a database: the ground of outbox, inbox and scheduler.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { MigrationError } from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Migrations from "./Migrations.ts"
import * as TableNames from "./TableNames.ts"

/**
 * Tables that cannot be used. The message says what to run.
 *
 * @category errors
 * @since 0.1.0
 */
export class TablesUnusable extends Schema.TaggedError<TablesUnusable>("@effect-eventbus/sql/TablesUnusable")(
  "TablesUnusable",
  {
    problem: Schema.Literals(["missing", "outdated", "forbidden"]),
    table: Schema.String,
    detail: Schema.String
  }
) {
  override get message(): string {
    return `The table ${this.table} ${this.detail}`
  }
  get isRetryable(): boolean {
    return false
  }
}

/**
 * The tables, and the database that they are in.
 *
 * @category services
 * @since 0.1.0
 */
export class Tables extends Context.Service<
  Tables,
  {
    readonly sql: SqlClient.SqlClient
    readonly dialect: Migrations.Dialect
    readonly names: TableNames.TableNames
  }
>()("@effect-eventbus/sql/Tables") {}

const advice = "run Migrations.migrate or Tables.layerMigrated, or the SQL files in the folder migrations"

const missing = (table: string, place: string) =>
  new TablesUnusable({ problem: "missing", table, detail: `does not exist in ${place}: ${advice}` })

const outdated = (table: string, version: number) =>
  new TablesUnusable({
    problem: "outdated",
    table,
    detail: `says version ${version}, and version ${Migrations.latest} is needed: ${advice}`
  })

/** Asks PostgreSQL's catalogue, since an error amid a transaction would end it. */
const checkPostgres = Effect.fnUntraced(function* ({ names, sql }: Tables["Service"]) {
  const [at] = yield* sql<{
    user: string
    path: string
  }>`SELECT current_user AS user, current_setting('search_path') AS path`
  const place = names.schema === undefined ? `the search path ${at?.path ?? ""}` : `the schema ${names.schema}`
  for (const table of Migrations.tables("postgres")) {
    const name = names.quoted(table)
    const rights = table === "migrations" ? "SELECT" : "SELECT, INSERT, UPDATE, DELETE"
    const wanted = rights.split(", ")
    if (names.schema !== undefined) {
      const [schema] = yield* sql<{
        usable: boolean | null
      }>`SELECT has_schema_privilege(to_regnamespace(${names.schema})::oid, 'USAGE') AS usable`
      if (schema?.usable === false) {
        const detail = `cannot be reached: GRANT USAGE ON SCHEMA "${names.schema}" TO "${at?.user ?? ""}"`
        return yield* new TablesUnusable({ problem: "forbidden", table: name, detail })
      }
    }
    const [found] = yield* sql<{ there: boolean }>`SELECT to_regclass(${name}) IS NOT NULL AS there`
    if (found?.there !== true) return yield* missing(name, place)
    const lacking: Array<string> = []
    for (const right of wanted) {
      const [has] = yield* sql<{ may: boolean }>`SELECT has_table_privilege(to_regclass(${name})::oid, ${right}) AS may`
      if (has?.may !== true) lacking.push(right)
    }
    if (lacking.length > 0) {
      const detail = `may not be used: GRANT ${lacking.join(", ")} ON ${name} TO "${at?.user ?? ""}"`
      return yield* new TablesUnusable({ problem: "forbidden", table: name, detail })
    }
  }
  // A scheduled event draws its number itself, for which the right to insert is not enough.
  const outbox = names.quoted("outbox")
  const [sequence] = yield* sql<{ name: string | null; may: boolean | null }>`
    SELECT name, has_sequence_privilege(name, 'USAGE') AS may FROM pg_get_serial_sequence(${outbox}, 'seq') AS s(name)`
  if (typeof sequence?.name === "string" && sequence.may !== true) {
    const detail = `cannot be numbered: GRANT USAGE ON SEQUENCE ${sequence.name} TO "${at?.user ?? ""}"`
    return yield* new TablesUnusable({ problem: "forbidden", table: outbox, detail })
  }
})

const checkSqlite = Effect.fnUntraced(function* ({ names, sql }: Tables["Service"]) {
  for (const table of Migrations.tables("sqlite")) {
    const name = names.of(table)
    const found = yield* sql`SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = ${name}`
    if (found.length === 0) return yield* missing(names.quoted(table), "this database")
  }
})

/** An old version is told before a table that only a later one has. */
const check = Effect.fnUntraced(function* (tables: Tables["Service"]) {
  const { dialect, names, sql } = tables
  const table = names.of("migrations")
  const there =
    dialect === "postgres"
      ? sql`SELECT 1 AS found WHERE has_table_privilege(to_regclass(${names.quoted("migrations")})::oid, 'SELECT')`
      : sql`SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = ${table}`
  if ((yield* there).length > 0) {
    const [last] = yield* sql<{ version: number | null }>`SELECT max(migration_id) AS version FROM ${sql(table)}`
    const version = last?.version ?? 0
    if (version < Migrations.latest) return yield* outdated(names.quoted("migrations"), version)
  }
  return yield* dialect === "postgres" ? checkPostgres(tables) : checkSqlite(tables)
})

/**
 * Finds the tables, and checks that they exist, have the version that is needed and may
 * be used.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: TableNames.Options = {}
): Effect.fn.Return<Tables["Service"], SqlError | TablesUnusable, SqlClient.SqlClient> {
  // An application may write its names in camel case, which the names here are not.
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const tables = Tables.of({ sql, dialect: Migrations.dialectOf(sql), names: TableNames.make(options) })
  // For the error of a schema on SQLite.
  Migrations.all(tables.dialect, options)
  yield* check(tables)
  return tables
})

/**
 * A layer with tables that exist already.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: TableNames.Options
): Layer.Layer<Tables, SqlError | TablesUnusable, SqlClient.SqlClient> => Layer.effect(Tables, make(options))

/**
 * A layer with tables that it makes, or brings up to date. Many processes may start at
 * once.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMigrated = (
  options?: TableNames.Options
): Layer.Layer<Tables, SqlError | MigrationError | TablesUnusable, SqlClient.SqlClient> =>
  Layer.effect(Tables, Effect.andThen(Migrations.migrate(options), make(options)))
