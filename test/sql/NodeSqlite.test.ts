import { NodeSqlite } from "@effect-eventbus/sql"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const fresh = NodeSqlite.layer({ filename: ":memory:" })

it.live("NodeSqlite refuses several statements in one string, of which SQLite would run the first alone", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const error = yield* Effect.flip(sql.unsafe("CREATE TABLE a (x); CREATE TABLE b (x)"))
    assert.match(error.message, /several statements/)
    assert.deepStrictEqual(yield* sql`SELECT name FROM sqlite_master`, [])
  }).pipe(Effect.provide(fresh))
)

it.live("NodeSqlite takes comments and semicolons after a statement", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    for (const end of ["", ";", " ;\n", " -- one", ";; /* two\n */ -- three\n", " -- 'four';"]) {
      assert.deepStrictEqual(yield* sql.unsafe(`SELECT 'é;' AS one${end}`), [{ one: "é;" }], JSON.stringify(end))
    }
    assert.deepStrictEqual(yield* sql.unsafe("-- before\nSELECT 1 AS one;"), [{ one: 1 }])
  }).pipe(Effect.provide(fresh))
)
