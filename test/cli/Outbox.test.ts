import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeSqlite, Outbox, Scheduler, Tables } from "@effect-eventbus/sql"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { EventType } from "effect-eventbus"
import { SqlClient } from "effect/sql"
import * as Process from "./Process.ts"

const folder = mkdtempSync(join(tmpdir(), "eventbus-outbox-"))
const database = join(folder, "shop.db")
const ids = { waiting: crypto.randomUUID(), parked: crypto.randomUUID(), later: crypto.randomUUID() }

const Paid = EventType.untyped("paid")

/** One event waits, two of a key are parked, and one is scheduled. */
const prepare = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* Outbox.publish(yield* Paid.event({}, { eventId: ids.parked }), { key: "o-1" })
      yield* Outbox.publish(yield* Paid.event({}), { key: "o-1" })
      const columns = sql.literal("seq, event_id, event_type, key, headers, body, since_ms")
      yield* sql`INSERT INTO eventbus_parked (${columns}, reason) SELECT ${columns}, 'too large' FROM eventbus_outbox`
      yield* sql`DELETE FROM eventbus_outbox`
      yield* Outbox.publish(yield* Paid.event({}, { eventId: ids.waiting }))
      yield* Scheduler.publishAt(yield* Paid.event({}, { eventId: ids.later }), new Date("2100-01-01T00:00:00Z"))
    })
  )
})

const App = Outbox.layer().pipe(
  Layer.provideMerge(Tables.layerMigrated()),
  Layer.provideMerge(NodeSqlite.layer({ filename: database }))
)

beforeAll(() => Effect.runPromise(Effect.provide(prepare, App)))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (...args: ReadonlyArray<string>) => Process.run([...args, "--database", database])

/** Each command is a process, of which a busy machine starts few in a second. */
const timeout = 300_000

describe("outbox", { timeout }, () => {
  it("shows what waits and what is parked, puts it back with its key, and discards the rest", async () => {
    const [status] = Process.objectsOf((await run("outbox", "status", "--json")).stdout)
    assert.containSubset(status, { waiting: 1, parked: 2 })
    const parked = Process.objectsOf((await run("outbox", "parked", "--json")).stdout)
    assert.strictEqual(parked.length, 2)
    assert.containSubset(parked[0], { event: ids.parked, type: "paid", key: "o-1", reason: "too large" })
    const forgotten = await run("outbox", "requeue")
    assert.strictEqual(forgotten.code, 2)
    assert.match(forgotten.stderr, /--event ID, --key KEY, or --all/)
    const requeued = await run("outbox", "requeue", "--event", ids.parked, "--json")
    assert.deepStrictEqual(Process.objectsOf(requeued.stdout), [{ requeued: 2 }])
    const refused = await run("outbox", "discard", "--all")
    assert.strictEqual(refused.code, 2)
    const discarded = await run("outbox", "discard", "--all", "--yes")
    assert.match(discarded.stdout, /discarded +0 events/)
    assert.match((await run("outbox", "status")).stdout, /waiting +3 .*\nparked +0/)
  })

  it("says what is wrong with a database", async () => {
    const missing = await Process.run(["outbox", "status", "--database", join(folder, "none.db")])
    assert.strictEqual(missing.code, 1)
    assert.match(missing.stderr, /There is no database/)
    const elsewhere = await run("outbox", "status", "--prefix", "other_")
    assert.strictEqual(elsewhere.code, 1)
    assert.match(elsewhere.stderr, /"other_migrations" does not exist in this database: run Migrations\.migrate/)
  })
})

describe("schedule", { timeout }, () => {
  it("lists and cancels, and says when it is too late", async () => {
    const listed = Process.objectsOf((await run("schedule", "list", "--json")).stdout)
    const scheduled = { event: ids.later, type: "paid", key: null, due: "2100-01-01T00:00:00.000Z" }
    assert.deepStrictEqual(listed, [scheduled])
    assert.match((await run("schedule", "cancel", ids.later)).stdout, /cancelled/)
    const late = await run("schedule", "cancel", ids.later)
    assert.strictEqual(late.code, 1)
    assert.match(late.stderr, /is not scheduled/)
    assert.match((await run("schedule", "list")).stderr, /0 events are scheduled/)
  })
})
