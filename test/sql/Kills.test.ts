import { AmqpBroker, AmqpOptions } from "@effect-eventbus/amqp"
import { Outbox, Tables } from "@effect-eventbus/sql"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Redacted } from "effect"
import { EventBus, Subscription } from "effect-eventbus"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"
import { eventually } from "../support/eventually.ts"
import * as Leftovers from "../support/Leftovers.ts"
import { SeededRandom } from "../support/SeededRandom.ts"
import * as Child from "./children/Child.ts"
import * as Database from "./support/Database.ts"
import { collect, Paid } from "./support/Harness.ts"
import { onEach, onPostgres } from "./support/onEach.ts"
import type { Subject } from "./support/onEach.ts"

/** The share of CI is small: `EVENTBUS_KILL_ROWS=10000 npm test -- sql/Kills` is the whole proof. */
const rows = Number(process.env["EVENTBUS_KILL_ROWS"] ?? 2_000)
const batch = 50
/** The whole proof takes longer, and so does a busy machine. */
const patience = Math.max(60_000, rows * 60)
const testTimeout = 3 * patience

const amqp = inject("rabbitUrl")
const random = new SeededRandom(18)

/** The names of a test on the broker, which go with the scope. */
const names = Effect.acquireRelease(
  Effect.sync(() => ({ exchange: Leftovers.unique("sql"), queue: Leftovers.unique("sql") })),
  ({ exchange, queue }) =>
    Effect.promise(() => {
      const settings = AmqpOptions.settings({ exchange })
      return Leftovers.remove(amqp ?? "", {
        queues: [queue, `dlq.${queue}`],
        exchanges: [settings.exchange, settings.deadLetterExchange]
      })
    })
)

const app = (database: Database.Database, exchange: string) =>
  Outbox.layer().pipe(
    Layer.provideMerge(EventBus.layer),
    Layer.provideMerge(AmqpBroker.layer({ url: Redacted.make(amqp ?? ""), exchange })),
    Layer.provideMerge(Tables.layerMigrated()),
    Layer.provideMerge(Database.client(database))
  )

const waiting = Effect.map(Outbox.stats, (stats) => stats.waiting)

/** Runs a test on a database and a queue of its own, with what its child processes are told. */
const withChildren = <A, E, R>(make: Subject["make"], test: (parameters: Child.Parameters) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const database = yield* make
    const { exchange, queue } = yield* names
    const parameters = { database, amqp: amqp ?? "", exchange, queue, batch }
    return yield* test(parameters).pipe(Effect.scoped, Effect.provide(app(database, exchange)))
  })

const allCome = ({ numbers }: { readonly numbers: () => ReadonlyArray<number> }) =>
  eventually(
    "all have come",
    Effect.sync(() => new Set(numbers()).size === rows),
    { atMost: patience, state: () => `${new Set(numbers()).size} of ${rows}` }
  )

const fill = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (let start = 0; start < rows; start += 500) {
    const events = yield* Effect.forEach(numbers(Math.min(500, rows - start)), (index) =>
      Paid.event({ n: start + index })
    )
    yield* sql.withTransaction(Outbox.publishAll(events))
  }
})

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Kills a relay amid its work, again and again, and lets the last one finish. Returns the number of kills. */
const killRelays = Effect.fnUntraced(function* (parameters: Child.Parameters, atMost: number) {
  let kills = 0
  while ((yield* waiting) > 0) {
    const before = yield* waiting
    const child = yield* Child.start("relay", parameters)
    const works = Effect.map(waiting, (now) => (kills < atMost ? now < before : now === 0))
    yield* eventually("the relay moves rows", works, { every: "20 millis", atMost: patience })
    if (kills < atMost) yield* Effect.sleep(random.int(0, 40))
    // A kill after the last row proves nothing.
    if ((yield* waiting) > 0) kills++
    yield* child.kill
  }
  return kills
})

onEach("Relays that are killed", ({ kind, make }) => {
  // On SQLite, each kill costs the ten seconds of a lease.
  const atMost = kind === "sqlite" ? 1 : 8
  it.live.skipIf(amqp === null)(
    "lose nothing, and publish at most two claims twice for each kill",
    () =>
      withChildren(make, (parameters) =>
        Effect.gen(function* () {
          const all = yield* collect(parameters.queue)
          yield* fill
          const kills = yield* killRelays(parameters, atMost)
          yield* allCome(all)
          const duplicates = all.numbers().length - rows
          console.log(`${kind}: ${rows} rows, ${kills} kills, 0 lost, ${duplicates} duplicates`)
          assert.isAtLeast(kills, 1)
          assert.isAtMost(duplicates, 2 * batch * kills)
        })
      ),
    testTimeout
  )
})

onPostgres("Processes that are killed", ({ make }) => {
  it.live.skipIf(amqp === null)(
    "keep the order of each key, with two relays and 16 writers",
    () =>
      withChildren(make, (parameters) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const all = yield* collect(parameters.queue)
          yield* sql`CREATE TABLE truth (event_id text, key text, seq bigint)`
          const write = Effect.fnUntraced(function* (n: number) {
            const event = yield* Paid.event({ n })
            const key = `k${n % 8}`
            yield* sql.withTransaction(
              Effect.gen(function* () {
                yield* Outbox.publish(event, { key })
                yield* sql`INSERT INTO truth SELECT event_id, key, seq FROM eventbus_outbox WHERE event_id = ${event.eventId}`
                yield* Effect.sleep(random.int(0, 4))
              })
            )
          })
          const writers = yield* Effect.forkChild(
            Effect.forEach(numbers(rows), write, { concurrency: 16, discard: true })
          )
          const standing = yield* Child.start("relay", parameters)
          let kills = 0
          while (writers.pollUnsafe() === undefined && kills < 6) {
            const child = yield* Child.start("relay", parameters)
            yield* Effect.sleep(random.int(800, 1_600))
            if (writers.pollUnsafe() === undefined) kills++
            yield* child.kill
          }
          yield* Fiber.join(writers)
          yield* eventually(
            "all is moved",
            Effect.map(waiting, (now) => now === 0),
            { atMost: patience }
          )
          yield* allCome(all)
          yield* standing.kill
          const truth = yield* sql<{
            event_id: string
            key: string
            seq: number
          }>`SELECT event_id, key, seq::float8 FROM truth`
          const seqOf = new Map(truth.map(({ event_id, key, seq }) => [event_id, { key, seq }]))
          const last = new Map<string, number>()
          const seen = new Set<string>()
          let inversions = 0
          for (const { eventId } of all.events) {
            const row = seqOf.get(eventId)
            if (row === undefined || seen.has(eventId)) continue
            seen.add(eventId)
            if ((last.get(row.key) ?? 0) > row.seq) inversions++
            last.set(row.key, row.seq)
          }
          console.log(`${rows} rows, 16 writers, 2 relays, ${kills} kills: ${inversions} inversions`)
          assert.strictEqual(seen.size, rows)
          assert.strictEqual(inversions, 0)
        })
      ),
    testTimeout
  )

  it.live.skipIf(amqp === null)(
    "have one effect for each event that is delivered one to five times, though connections are cut",
    () =>
      withChildren(make, (parameters) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const bus = yield* EventBus.EventBus
          yield* sql`CREATE TABLE ledger (n integer NOT NULL)`
          yield* bus.declare(Subscription.make(parameters.queue, { events: [Paid] }))
          const events = yield* Effect.forEach(numbers(rows), (n) => Paid.event({ n }))
          const deliveries = events.flatMap((event) => numbers(random.int(1, 5)).map(() => event))
          const start = Child.start("inbox", parameters)
          const children = yield* Effect.all([start, start, start, start])
          const publishing = yield* Effect.forkChild(bus.publishAll(deliveries.toSorted(() => random.next() - 0.5)))
          const handled = Effect.map(
            sql<{ n: number }>`SELECT count(*)::float8 AS n FROM ledger`,
            ([row]) => row?.n ?? 0
          )
          let kills = 0
          let cuts = 0
          while ((yield* handled) < rows * 0.8 && kills < 6) {
            const before = yield* handled
            yield* eventually(
              "the children work",
              Effect.map(handled, (now) => now > before),
              { atMost: patience }
            )
            const victim = random.int(0, 3)
            yield* children[victim]?.kill ?? Effect.void
            kills++
            children[victim] = yield* start
            const cut =
              yield* sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ${parameters.exchange}`
            cuts += cut.length
          }
          yield* Fiber.join(publishing)
          yield* eventually(
            "the queue is empty and all is handled",
            Effect.gen(function* () {
              const info = yield* bus.queueInfo(parameters.queue)
              return Option.isSome(info) && info.value.messages === 0 && (yield* handled) >= rows
            }),
            { atMost: patience }
          )
          yield* Effect.forEach(children, ({ kill }) => kill, { discard: true })
          const [sum] = yield* sql`SELECT count(*)::float8 AS all, count(DISTINCT n)::float8 AS different FROM ledger`
          console.log(`${rows} events, ${deliveries.length} deliveries, ${kills} kills, ${cuts} connections cut`)
          assert.isAtLeast(kills, 1)
          assert.deepStrictEqual(sum, { all: rows, different: rows })
        })
      ),
    testTimeout
  )
})
