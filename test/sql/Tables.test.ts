import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Migrations, TableNames, Tables } from "@effect-eventbus/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { onEach, onPostgres } from "./support/onEach.ts"

const ids = (dialect: Migrations.Dialect) => Migrations.all(dialect).map(({ id }) => id)

const runScript = Effect.fnUntraced(function* (dialect: Migrations.Dialect, id: number, options?: TableNames.Options) {
  const sql = yield* SqlClient.SqlClient
  const statements = Migrations.script(dialect, id, options)
    .replace(/^BEGIN;|COMMIT;$/gm, "")
    .split(/;\n/)
    .filter((statement) => statement.trim() !== "")
  yield* sql.withTransaction(Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true }))
})

onEach("Tables", ({ fresh, kind }) => {
  it.live("are made by layerMigrated, also by many at once", () =>
    Effect.gen(function* () {
      const build = Effect.scoped(Layer.build(Layer.fresh(Tables.layerMigrated())))
      yield* Effect.all([build, build, build], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* Migrations.migrate(), [])
    }).pipe(Effect.provide(fresh))
  )

  it.live("may have a prefix of their own, beside others", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Migrations.migrate({ prefix: "one_" }), ids(kind))
      assert.deepStrictEqual(yield* Migrations.migrate({ prefix: "two_" }), ids(kind))
      yield* Tables.make({ prefix: "two_" })
    }).pipe(Effect.provide(fresh))
  )

  it.live("that are missing are an error at start, which says what to run", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Tables.make())
      assert(error._tag === "TablesUnusable")
      assert.strictEqual(error.problem, "missing")
      assert.match(error.message, /"eventbus_migrations" does not exist in .*: run Migrations\.migrate/)
    }).pipe(Effect.provide(fresh))
  )

  it.live("that are old are an error at start, which says their version", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Migrations.migrate()
      yield* sql`DELETE FROM eventbus_migrations WHERE migration_id = ${Migrations.latest}`
      const error = yield* Effect.flip(Tables.make())
      assert(error._tag === "TablesUnusable")
      assert.strictEqual(error.problem, "outdated")
      assert.match(error.message, new RegExp(`says version ${Migrations.latest - 1}, and version ${Migrations.latest}`))
    }).pipe(Effect.provide(fresh))
  )

  it.live("that scripts have made are complete, and migrate knows them", () =>
    Effect.gen(function* () {
      for (const id of ids(kind)) yield* runScript(kind, id)
      yield* Tables.make()
      assert.deepStrictEqual(yield* Migrations.migrate(), [])
    }).pipe(Effect.provide(fresh))
  )
})

onPostgres("Tables of schemas and roles", ({ fresh }) => {
  it.live("may lie in a schema, which is made", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [at] = yield* sql<{ schema: string }>`SELECT current_schema() AS schema`
      const schema = `${at?.schema ?? ""}_bus`
      const drop = sql`DROP SCHEMA IF EXISTS ${sql(schema)} CASCADE`
      yield* Effect.ensuring(
        Effect.gen(function* () {
          yield* Migrations.migrate({ schema })
          yield* Tables.make({ schema })
          assert.deepStrictEqual(yield* Migrations.migrate({ schema }), [])
        }),
        Effect.orDie(drop)
      )
    }).pipe(Effect.provide(fresh))
  )

  it.live("may lie in a schema that many make at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [at] = yield* sql<{ schema: string }>`SELECT current_schema() AS schema`
      for (let round = 0; round < 10; round++) {
        const schema = `${at?.schema ?? ""}_${round}`
        yield* Effect.ensuring(
          Effect.replicateEffect(Migrations.migrate({ schema }), 8, { concurrency: "unbounded" }),
          Effect.orDie(sql`DROP SCHEMA IF EXISTS ${sql(schema)} CASCADE`)
        )
      }
    }).pipe(Effect.provide(fresh))
  )

  it.live("that may not be used are an error at start, which says what to grant", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Migrations.migrate()
      const [at] = yield* sql<{ schema: string }>`SELECT current_schema() AS schema`
      const role = `${at?.schema ?? ""}_user`
      yield* sql`CREATE ROLE ${sql(role)}`
      const asRole = Effect.scoped(
        Effect.gen(function* () {
          yield* sql`SET LOCAL ROLE ${sql(role)}`
          return yield* Effect.flip(Tables.make())
        })
      )
      const attempt = Effect.gen(function* () {
        yield* sql`GRANT USAGE ON SCHEMA ${sql(at?.schema ?? "")} TO ${sql(role)}`
        const error = yield* sql.withTransaction(asRole)
        assert(error._tag === "TablesUnusable")
        assert.strictEqual(error.problem, "forbidden")
        assert.match(error.message, /GRANT SELECT ON "eventbus_migrations" TO/)
        yield* sql`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${sql(at?.schema ?? "")} TO ${sql(role)}`
        // Scheduled events draw their number themselves.
        const next = yield* sql.withTransaction(asRole)
        assert.match(next.message, /GRANT USAGE ON SEQUENCE \S+eventbus_outbox_seq_seq TO/)
        yield* sql.unsafe(next.message.replace(/^.*: GRANT/, "GRANT"))
        yield* sql.withTransaction(Effect.andThen(sql`SET LOCAL ROLE ${sql(role)}`, Tables.make()))
      })
      const clean = Effect.andThen(sql`DROP OWNED BY ${sql(role)}`, sql`DROP ROLE ${sql(role)}`)
      yield* Effect.ensuring(attempt, Effect.orDie(clean))
    }).pipe(Effect.provide(fresh))
  )
})

describe("Migrations", () => {
  it("the SQL files are those of the code", () => {
    for (const dialect of ["postgres", "sqlite"] as const) {
      for (const { id, name } of Migrations.all(dialect)) {
        const file = `${String(id).padStart(4, "0")}_${name}.sql`
        const path = join(import.meta.dirname, "../../packages/sql/migrations", dialect, file)
        assert.strictEqual(readFileSync(path, "utf8"), Migrations.script(dialect, id), `${dialect}/${file}`)
      }
    }
  })

  it("names that are none are refused at once", () => {
    assert.throws(() => TableNames.make({ prefix: 'a"; DROP TABLE b' }), RangeError)
    assert.throws(() => TableNames.make({ schema: "" }), RangeError)
    assert.throws(() => Migrations.all("sqlite", { schema: "bus" }), RangeError)
    assert.throws(() => Migrations.script("sqlite", 99), RangeError)
  })
})
