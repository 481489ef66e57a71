import { randomUUID } from "node:crypto"
import { Outbox, ParkedEvents, Tables } from "@effect-eventbus/sql"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option } from "effect"
import { Broker, PublishError } from "effect-eventbus"
import { SqlClient } from "effect/sql"
import * as Claims from "../../packages/sql/src/internal/claims.ts"
import * as PublishRows from "../../packages/sql/src/internal/publishRows.ts"
import { eventually } from "../support/eventually.ts"
import * as Database from "./support/Database.ts"
import { collect, layer, Paid, type Publish, relay } from "./support/Harness.ts"
import { onEach, onPostgres } from "./support/onEach.ts"

const publishIn = Effect.fnUntraced(function* (n: number, options?: Outbox.PublishOptions) {
  const sql = yield* SqlClient.SqlClient
  const event = yield* Paid.event({ n })
  yield* sql.withTransaction(Outbox.publish(event, options))
  return event
})

const isNumber = (body: Uint8Array, n: number) => new TextDecoder().decode(body).includes(`"n":${n}}`)

const isParked = eventually(
  "one is parked",
  Effect.map(Outbox.stats, ({ parked }) => parked === 1)
)

/** Refuses the first event until an operator has mended that. */
const refusing = () => {
  const broker = { isMended: false }
  const publish: Publish = ({ body }, send) =>
    Effect.suspend(() =>
      !broker.isMended && isNumber(body, 1) ? Effect.fail(new PublishError.Refused({ detail: "no ones" })) : send
    )
  return { broker, publish }
}

onEach("A claim", ({ fresh }) => {
  it.live("parks what is refused together with those behind it", () => {
    const { publish } = refusing()
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const claims = yield* Claims.make(yield* Tables.Tables)
      const events = yield* Effect.forEach([1, 2, 3], (n) => Paid.event({ n }))
      yield* sql.withTransaction(Outbox.publishAll(events, { key: "a" }))
      const publishRows = yield* PublishRows.make(yield* Broker.Broker, claims.bodyOf)
      yield* claims.claim({ limit: 10, held: { keys: [], rows: [] }, publish: publishRows })
      assert.deepStrictEqual(yield* Outbox.stats, { waiting: 0, oldest: Option.none(), parked: 3 })
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
  })

  it.live("parks nothing behind an event that was put back while it published others", () => {
    const { broker, publish: refuse } = refusing()
    const publishing = Deferred.makeUnsafe<void>()
    const go = Deferred.makeUnsafe<void>()
    const publish: Publish = (envelope, send) =>
      isNumber(envelope.body, 3)
        ? Effect.andThen(Deferred.succeed(publishing, undefined), Effect.andThen(Deferred.await(go), send))
        : refuse(envelope, send)
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      const first = yield* publishIn(1, { key: "a" })
      yield* Effect.scoped(Effect.andThen(relay(), isParked))
      broker.isMended = true
      yield* sql.withTransaction(Effect.andThen(publishIn(2, { key: "a" }), publishIn(3)))
      yield* relay()
      yield* Deferred.await(publishing)
      assert.strictEqual(yield* ParkedEvents.requeue({ eventId: first.eventId }), 1)
      yield* Deferred.succeed(go, undefined)
      yield* all.until(3)
      assert.deepStrictEqual(
        all.numbers().filter((n) => n !== 3),
        [1, 2]
      )
      assert.deepStrictEqual(yield* ParkedEvents.list(), [])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
  })
})

onPostgres("A claim beside a transaction", ({ fresh, make }) => {
  it.live("parks nothing behind an event that it puts back", () => {
    const { broker, publish } = refusing()
    const applicationName = randomUUID()
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      const first = yield* publishIn(1, { key: "a" })
      yield* Effect.scoped(Effect.andThen(relay(), isParked))
      broker.isMended = true
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const requeuing = yield* Effect.forkScoped(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* ParkedEvents.requeue({ eventId: first.eventId })
            yield* Deferred.succeed(begun, undefined)
            yield* Deferred.await(go)
          })
        )
      )
      yield* Deferred.await(begun)
      yield* publishIn(2, { key: "a" })
      yield* relay()
      const waits = sql`SELECT 1 AS found FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND locktype = 'transactionid' AND application_name = ${applicationName}`
      yield* eventually(
        "the claim waits for the transaction, or has parked its event",
        Effect.map(Effect.all([waits, Outbox.stats]), ([{ length }, { waiting }]) => length > 0 || waiting === 0)
      )
      const { waiting } = yield* Outbox.stats
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(requeuing)
      assert.strictEqual(waiting, 1, "it was not parked")
      yield* all.until(2)
      assert.deepStrictEqual(all.numbers(), [1, 2])
      assert.deepStrictEqual(yield* ParkedEvents.list(), [])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.unwrap(
          Effect.map(make, (database) => layer(Database.client(database, { applicationName }), { broken: { publish } }))
        )
      )
    )
  })

  it.live("publishes a key in its order, wherever the rows lie", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      for (const n of [1, 2, 3]) yield* publishIn(n, { key: "a" })
      // The new versions of the rows lie behind the others.
      yield* sql`UPDATE eventbus_outbox SET since_ms = since_ms WHERE seq < (SELECT max(seq) FROM eventbus_outbox)`
      const lie = yield* sql<{ seq: number }>`SELECT seq::float8 AS seq FROM eventbus_outbox ORDER BY ctid`
      assert.isAbove(lie[0]?.seq ?? 0, lie[1]?.seq ?? 0)
      yield* relay()
      yield* all.until(3)
      assert.deepStrictEqual(all.numbers(), [1, 2, 3])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )
})

onEach("The lease of another relay", ({ fresh, kind }) => {
  it.live.skipIf(kind === "postgres")("is respected until its end", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* sql`INSERT INTO eventbus_lease (id, owner, until_ms) VALUES (1, 'another', ${Date.now() + 3_600_000})`
      yield* sql`CREATE TABLE tries (at INTEGER PRIMARY KEY)`
      yield* sql`CREATE TRIGGER tried BEFORE INSERT ON eventbus_lease BEGIN INSERT INTO tries VALUES (NULL); END`
      yield* publishIn(1)
      yield* relay()
      yield* eventually(
        "the relay has tried twice, or published",
        Effect.map(sql`SELECT at FROM tries`, ({ length }) => length > 1 || all.events.length > 0)
      )
      assert.deepStrictEqual(all.numbers(), [])
      yield* sql`UPDATE eventbus_lease SET until_ms = 0`
      yield* all.until(1)
      assert.deepStrictEqual(all.numbers(), [1])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )
})
