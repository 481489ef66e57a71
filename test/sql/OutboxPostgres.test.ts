import { randomUUID } from "node:crypto"
import { Outbox, Tables } from "@effect-eventbus/sql"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import type { PublishError } from "effect-eventbus"
import { SqlClient } from "effect/sql"
import * as Claims from "../../packages/sql/src/internal/claims.ts"
import * as OutboxTable from "../../packages/sql/src/internal/OutboxTable.ts"
import { eventually } from "../support/eventually.ts"
import * as Database from "./support/Database.ts"
import { collect, layer, Paid, relay } from "./support/Harness.ts"
import { onPostgres } from "./support/onEach.ts"

/** CI waits for a short time: `EVENTBUS_OUTAGE_SECONDS=60 npm test -- sql/OutboxPostgres` is the whole proof. */
const shortOutage = 8
const outage = Number(process.env["EVENTBUS_OUTAGE_SECONDS"] ?? shortOutage)
const testTimeout = 60_000 + outage * 2_000

/** Tells the connections of a test from those of others. */
const name = `outage-${randomUUID()}`

const publishIn = Effect.fnUntraced(function* (n: number, options?: Outbox.PublishOptions) {
  const sql = yield* SqlClient.SqlClient
  const event = yield* Paid.event({ n })
  yield* sql.withTransaction(Outbox.publish(event, options))
})

onPostgres("The outbox", ({ fresh, make }) => {
  it.live("is woken by the commits of other processes", () =>
    Effect.gen(function* () {
      const database = yield* make
      const program = Effect.gen(function* () {
        const all = yield* collect()
        yield* relay({ poll: "1 hour" })
        // Another outbox, with a client of its own, as another process has it.
        const elsewhere = Layer.fresh(layer(Layer.fresh(Database.client(database))))
        const publish = Effect.fnUntraced(function* (n: number) {
          yield* publishIn(n)
          yield* all.until(n)
        })
        yield* Effect.provide(
          Effect.forEach([1, 2], (n) => publish(n), { discard: true }),
          elsewhere
        )
        assert.sameMembers(all.numbers(), [1, 2])
      })
      yield* program.pipe(Effect.scoped, Effect.provide(layer(Database.client(database))))
    })
  )

  it.live("is woken by those with the longest names, too, which no channel could have", () =>
    Effect.gen(function* () {
      const database = yield* make
      const names = { schema: `${"s".repeat(20)}_${randomUUID().slice(0, 8)}`, prefix: "p".repeat(40) }
      const process = Layer.fresh(
        Outbox.layer().pipe(
          Layer.provideMerge(Tables.layerMigrated(names)),
          Layer.provideMerge(Layer.fresh(Database.client(database)))
        )
      )
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* Effect.addFinalizer(() => Effect.ignore(sql`DROP SCHEMA ${sql(names.schema)} CASCADE`))
        const all = yield* collect()
        const elsewhere = yield* Layer.build(process)
        yield* Effect.provide(relay({ poll: "1 hour" }), yield* Layer.build(process))
        for (const n of [1, 2]) {
          yield* Effect.provide(publishIn(n), elsewhere)
          yield* Effect.timeout(all.until(n), "20 seconds")
        }
      }).pipe(Effect.scoped, Effect.provide(layer(Database.client(database))))
    }).pipe(Effect.scoped)
  )

  it.live("publishes nothing twice where the transactions of the application are SERIALIZABLE", () => {
    let publishes = 0
    const publish = (_: unknown, send: Effect.Effect<void, PublishError.Reason>) =>
      Effect.suspend(() => {
        publishes++
        return Effect.delay(send, 5)
      })
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* relay({ batch: 20 })
      yield* relay({ batch: 20 })
      const many = Array.from({ length: 100 }, (_, n) => n)
      const write = Effect.flatMap(
        Effect.forEach(many, (n) => Paid.event({ n })),
        (events) => sql.withTransaction(Outbox.publishAll(events))
      )
      yield* Effect.replicateEffect(write, 20, { concurrency: 4, discard: true })
      yield* eventually(
        "the outbox is empty",
        Effect.map(Outbox.stats, ({ waiting }) => waiting === 0)
      )
      yield* all.until(2000)
      assert.strictEqual(publishes, 2000)
    }).pipe(
      Effect.scoped,
      Effect.provide(layer(fresh, { broken: { publish } })),
      Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL SERIALIZABLE")
    )
  })

  it.live("works with a client that writes names in camel case", () =>
    Effect.gen(function* () {
      const database = yield* make
      const program = Effect.gen(function* () {
        const all = yield* collect()
        yield* relay()
        yield* publishIn(1, { key: "a" })
        yield* all.until(1)
        yield* publishIn(2)
        yield* all.until(2)
      })
      yield* program.pipe(Effect.scoped, Effect.provide(layer(Database.client(database, { isCamelCase: true }))))
    })
  )

  it.live(
    "is not held up by an unrelated transaction, nor by one with another key",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const all = yield* collect()
        yield* relay()
        yield* sql`CREATE TABLE unrelated (id integer)`
        const begun = yield* Deferred.make<void>()
        const long = yield* Effect.forkScoped(
          sql.withTransaction(
            Effect.gen(function* () {
              // It sees the rows that are deleted meanwhile, which the database therefore keeps.
              yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
              yield* sql`INSERT INTO unrelated VALUES (1)`
              yield* Outbox.publish(yield* Paid.event({ n: -1 }), { key: "other" })
              yield* Deferred.succeed(begun, undefined)
              return yield* Effect.never
            })
          )
        )
        yield* Deferred.await(begun)
        const end = performance.now() + (outage - shortOutage) * 1000
        const many = Array.from({ length: 100 }, (_, index) => index)
        const millis: Array<number> = []
        let n = 0
        do {
          const start = performance.now()
          yield* publishIn(n, { key: "mine" })
          const events = yield* Effect.forEach(many, (index) => Paid.event({ n: n + 1 + index }))
          yield* sql.withTransaction(Outbox.publishAll(events))
          n += 101
          // Fails after a minute.
          yield* all.until(n)
          millis.push(performance.now() - start)
        } while (performance.now() < end)
        yield* Fiber.interrupt(long)
        console.log(
          `${n} events beside a transaction of ${outage} s, 101 in ${Math.max(...millis).toFixed(0)} ms at most`
        )
        assert.isFalse(all.numbers().includes(-1))
      }).pipe(Effect.scoped, Effect.provide(layer(fresh))),
    testTimeout
  )

  it.live("publishes nothing of a key before the event of it that another relay has claimed", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* publishIn(1, { key: "a" })
      yield* publishIn(2, { key: "a" })
      const claimed = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const claiming = yield* Effect.forkScoped(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT 1 AS claimed FROM eventbus_outbox ORDER BY seq LIMIT 1 FOR UPDATE`
            yield* Deferred.succeed(claimed, undefined)
            yield* Deferred.await(go)
          })
        )
      )
      yield* Deferred.await(claimed)
      yield* relay()
      // Each comes in a claim that could have had the second event.
      for (const n of [3, 4]) {
        yield* publishIn(n)
        yield* all.until(n - 2)
      }
      const before = all.numbers()
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(claiming)
      assert.deepStrictEqual(before, [3, 4])
      yield* all.until(4)
      assert.deepStrictEqual(all.numbers(), [3, 4, 1, 2])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("draws the sequence of a key when it has the lock of the key, so it is the order of commits", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE commits (at bigint GENERATED ALWAYS AS IDENTITY, n integer)`
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const first = yield* Effect.forkScoped(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* Outbox.publish(yield* Paid.event({ n: 1 }), { key: "a" })
            yield* Deferred.succeed(begun, undefined)
            yield* Deferred.await(go)
            yield* sql`INSERT INTO commits (n) VALUES (1)`
          })
        )
      )
      yield* Deferred.await(begun)
      const second = yield* Effect.forkScoped(
        sql.withTransaction(
          Effect.andThen(
            Effect.flatMap(Effect.all([Paid.event({ n: 2 }), Paid.event({ n: 3 })]), (events) =>
              Outbox.publishAll(events, { key: "a" })
            ),
            sql`INSERT INTO commits (n) VALUES (2), (3)`
          )
        )
      )
      yield* eventually(
        "the second waits for the lock",
        Effect.map(
          sql`SELECT 1 AS found FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
          (rows) => rows.length > 0
        )
      )
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      const commits = yield* sql`SELECT n FROM commits ORDER BY at`
      const rows = yield* sql<{ n: number }>`
        SELECT (convert_from(body, 'UTF8')::json -> 'payload' ->> 'n')::integer AS n FROM eventbus_outbox ORDER BY seq`
      assert.deepStrictEqual(commits, [{ n: 1 }, { n: 2 }, { n: 3 }])
      assert.deepStrictEqual(rows, [{ n: 1 }, { n: 2 }, { n: 3 }])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("goes on when the connections of its claims were cut, again and again", () => {
    const applicationName = randomUUID()
    let isHeld = true
    let claimed = Deferred.makeUnsafe<void>()
    const publish = (_: unknown, send: Effect.Effect<void, PublishError.Reason>) =>
      Effect.suspend(() => {
        if (!isHeld) return send
        return Effect.andThen(Deferred.succeed(claimed, undefined), Effect.delay(send, "300 millis"))
      })
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* relay()
      // More often than a relay has workers.
      for (const n of [1, 2, 3]) {
        isHeld = true
        claimed = yield* Deferred.make<void>()
        yield* publishIn(n)
        yield* Deferred.await(claimed)
        isHeld = false
        const cut = yield* sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = ${applicationName} AND state = 'idle in transaction'`
        assert.isAtLeast(cut.length, 1)
        yield* eventually(
          "it is published again",
          Effect.map(Outbox.stats, ({ waiting }) => waiting === 0)
        )
      }
      assert.sameMembers([...new Set(all.numbers())], [1, 2, 3])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.unwrap(
          Effect.map(make, (database) => layer(Database.client(database, { applicationName }), { broken: { publish } }))
        )
      )
    )
  })

  it.live("takes the rows of a relay that was suspended amid a claim", () =>
    Effect.gen(function* () {
      const all = yield* collect()
      yield* publishIn(1, { key: "a" })
      yield* publishIn(2)
      const claims = yield* Claims.make(yield* Tables.Tables)
      const claimed = yield* Deferred.make<void>()
      // As a process that is stopped: its transaction is open, and nothing happens.
      const publish = (rows: ReadonlyArray<{ readonly seq: number }>) =>
        Effect.andThen(Deferred.succeed(claimed, undefined), Effect.delay(Effect.succeed(rows), "15 seconds")).pipe(
          Effect.map((safe) => ({ published: safe.map(({ seq }) => seq), refused: [], behind: [] }))
        )
      const suspended = yield* Effect.forkScoped(
        Effect.flip(claims.claim({ limit: 10, held: { keys: [], rows: [] }, publish }))
      )
      yield* Deferred.await(claimed)
      yield* relay()
      yield* Effect.timeout(all.until(2), "14 seconds")
      assert.strictEqual((yield* Fiber.join(suspended))._tag, "SqlError")
      assert.sameMembers(all.numbers(), [1, 2])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("takes more bodies in one transaction than a message of PostgreSQL may have", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const body = new Uint8Array(15 * 1024 * 1024)
      const rows = Array.from({ length: 72 }, (_, n) => ({
        event_id: `e-${n}`,
        event_type: "large",
        key: null,
        headers: "{}",
        body
      }))
      yield* sql.withTransaction(OutboxTable.make(yield* Tables.Tables).insert(rows))
      const ids = yield* sql<{ event_id: string }>`SELECT event_id FROM eventbus_outbox ORDER BY seq`
      assert.deepStrictEqual(
        ids.map(({ event_id }) => event_id),
        rows.map(({ event_id }) => event_id)
      )
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live(
    "has no transaction of more than five seconds open while the broker does not answer, nor while it is down",
    () => {
      let state: "silent" | "down" | "up" = "silent"
      const publish = (_: unknown, send: Effect.Effect<void, PublishError.Reason>) =>
        Effect.suspend(() => (state === "silent" ? Effect.never : send))
      return Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const all = yield* collect()
        yield* relay({ batch: 1000 })
        // More than one claim, whose publishes are all in flight.
        const events = yield* Effect.forEach(Array.from({ length: 1500 }), () => Paid.event({ n: 1 }))
        yield* sql.withTransaction(Outbox.publishAll(events))
        const ages: Array<number> = []
        const end = performance.now() + outage * 1000
        let longestGap = 0
        for (let last = performance.now(); last < end;) {
          const [row] = yield* sql<{ age: number | null }>`
            SELECT max(extract(epoch FROM clock_timestamp() - xact_start))::float8 AS age FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND query LIKE '%eventbus_outbox%' AND application_name = ${name}`
          ages.push(row?.age ?? 0)
          if (outage > shortOutage && end - performance.now() < (outage * 1000) / 2) state = "down"
          yield* Effect.sleep("100 millis")
          const now = performance.now()
          longestGap = Math.max(longestGap, (now - last) / 1000)
          last = now
        }
        state = "up"
        yield* all.until(events.length)
        console.log(`no answer for ${outage} s: the oldest transaction was ${Math.max(...ages).toFixed(1)} s old`)
        assert.isAtLeast(Math.max(...ages), 1, "a claim was open")
        // A slow machine ends it, and sees that, later by a turn of this loop. Without a bound it would be as old as the loop.
        assert.isBelow(Math.max(...ages), 7 + longestGap)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.unwrap(
            Effect.map(make, (database) =>
              layer(Database.client(database, { applicationName: name }), {
                broken: { publish, isUp: () => state !== "down" }
              })
            )
          )
        )
      )
    },
    testTimeout
  )
})
