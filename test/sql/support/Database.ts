import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeSqlite } from "@effect-eventbus/sql"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted, String } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql"

/** A database of its own for a test: a schema on PostgreSQL, a file on SQLite. Child processes get it as JSON. */
export type Database =
  | { readonly kind: "postgres"; readonly url: string; readonly schema: string }
  | { readonly kind: "sqlite"; readonly filename: string }

export interface ClientOptions {
  readonly applicationName?: string
  /** Whether the names of the application are in camel case. */
  readonly isCamelCase?: boolean
}

const pool = (
  url: string,
  schema: string | undefined,
  maxConnections: number,
  { applicationName = "tests", isCamelCase = false }: ClientOptions = {}
) =>
  PgClient.layer({
    ...(isCamelCase ? { transformResultNames: String.snakeToCamel, transformQueryNames: String.camelToSnake } : {}),
    url: Redacted.make(url),
    maxConnections,
    applicationName,
    ...(schema === undefined ? {} : { startupParameters: { search_path: schema } })
  })

/** A client of a database that exists already. */
export const client = (
  database: Database,
  options: ClientOptions = {}
): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  database.kind === "sqlite"
    ? NodeSqlite.layer({ filename: database.filename })
    : pool(database.url, database.schema, 20, options)

/** Makes a database, which goes with the scope. */
export const make = (kind: Database["kind"], url: string | null) =>
  Effect.acquireRelease(
    Effect.suspend((): Effect.Effect<Database, SqlError.SqlError> => {
      if (kind === "sqlite") {
        const folder = mkdtempSync(join(tmpdir(), "eventbus-sqlite-"))
        return Effect.succeed({ kind, filename: join(folder, "bus.db") })
      }
      const schema = `test_${randomBytes(6).toString("hex")}`
      const create = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE SCHEMA ${sql(schema)}`)
      return Effect.as(Effect.provide(create, pool(url ?? "", undefined, 1)), { kind, url: url ?? "", schema })
    }),
    (database) =>
      database.kind === "sqlite"
        ? Effect.sync(() => rmSync(join(database.filename, ".."), { recursive: true, force: true }))
        : Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DROP SCHEMA ${sql(database.schema)} CASCADE`).pipe(
            Effect.provide(pool(database.url, undefined, 1)),
            Effect.orDie
          )
  )

/** A client of a new database. */
export const fresh = (
  kind: Database["kind"],
  url: string | null
): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.unwrap(Effect.map(make(kind, url), (database) => client(database)))
