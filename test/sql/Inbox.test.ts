import { Inbox, Outbox } from "@effect-eventbus/sql"
import { assert, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Metric, Option, Schema } from "effect"
import {
  Batch,
  EventBus,
  EventCodec,
  EventType,
  FailurePolicy,
  Handler,
  Settlement,
  Subscription
} from "effect-eventbus"
import { SqlClient } from "effect/sql"
import { readings } from "../../packages/testing/src/contract/Readings.ts"
import { eventually } from "../support/eventually.ts"
import { collect, layer as outbox, Paid, relay } from "./support/Harness.ts"
import { onEach, onPostgres } from "./support/onEach.ts"
import type { Subject } from "./support/onEach.ts"

const Booked = EventType.make("invoice.booked", { payload: Schema.Struct({ n: Schema.Int }) })

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

/** In order, so that the last event is handled last. */
const billing = Subscription.make("billing", { events: [Paid], concurrency: 1 })

const layer = (fresh: Subject["fresh"]) => Inbox.layer.pipe(Layer.provideMerge(outbox(fresh)))

const makeLedger = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`CREATE TABLE ledger (queue TEXT NOT NULL, n INTEGER NOT NULL)`
)
const book = (n: number, queue = "billing") =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO ledger ${sql.insert({ queue, n })}`)
const booked = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ n: number }>`SELECT n FROM ledger ORDER BY n`, (rows) => rows.map(({ n }) => n))
)
const isBooked = (n: number) =>
  eventually(
    `${n} is booked`,
    Effect.map(booked, (numbers) => numbers.includes(n))
  )
const inboxKeys = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ subscription: string; event_id: string }>`SELECT subscription, event_id FROM eventbus_inbox`
)

onEach("An inbox", ({ fresh }) => {
  it.live("makes one effect of many deliveries, for each subscription", () =>
    Effect.gen(function* () {
      yield* makeLedger
      const bus = yield* EventBus.EventBus
      for (const queue of ["billing", "audit"]) {
        const subscription = Subscription.make(queue, { events: [Paid], concurrency: 1 })
        const handler = Handler.make(subscription, ({ payload }) => book(payload.n, queue))
        yield* bus.subscribe(handler.pipe(Inbox.once(), Handler.onFailure(FailurePolicy.deadLetter)))
      }
      const event = yield* Paid.event({ n: 1 })
      yield* bus.publishAll([event, event, event])
      yield* bus.publish(yield* Paid.event({ n: 2 }))
      yield* eventually(
        "both have booked 2",
        Effect.map(booked, (numbers) => numbers.filter((n) => n === 2).length === 2)
      )
      assert.deepStrictEqual(yield* booked, [1, 1, 2, 2])
      assert.strictEqual((yield* inboxKeys).length, 4)
      const all = yield* readings
      for (const queue of ["billing", "audit"]) {
        assert.strictEqual(all[`eventbus_inbox_skipped_total{queue="${queue}"}`], 2)
      }
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)), Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.live("forgets a failed attempt, so that its retry runs", () =>
    Effect.gen(function* () {
      yield* makeLedger
      const bus = yield* EventBus.EventBus
      let attempts = 0
      const handler = Handler.make(billing, ({ payload }) =>
        Effect.gen(function* () {
          yield* book(payload.n)
          if (++attempts < 3) return yield* new Refused()
        })
      )
      const policy = FailurePolicy.tags({ Refused: FailurePolicy.retryUpToMax, SqlError: FailurePolicy.deadLetter })
      yield* bus.subscribe(handler.pipe(Inbox.once(), Handler.onFailure(policy)))
      yield* bus.publish(yield* Paid.event({ n: 1 }))
      yield* isBooked(1)
      assert.strictEqual(attempts, 3)
      assert.deepStrictEqual(yield* booked, [1])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("rolls back what a policy inside of it has answered", () =>
    Effect.gen(function* () {
      yield* makeLedger
      const bus = yield* EventBus.EventBus
      const handler = Handler.make(billing, ({ payload }) =>
        Effect.andThen(book(payload.n), payload.n === 1 ? Effect.fail(new Refused()) : Effect.void)
      ).pipe(
        Handler.onFailure(FailurePolicy.deadLetter),
        Inbox.once(),
        Handler.onFailure(FailurePolicy.tags({ SqlError: FailurePolicy.deadLetter }))
      )
      yield* bus.subscribe(handler)
      yield* bus.publish(yield* Paid.event({ n: 1 }))
      yield* bus.publish(yield* Paid.event({ n: 2 }))
      yield* isBooked(2)
      assert.deepStrictEqual(yield* booked, [2])
      assert.strictEqual((yield* inboxKeys).length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("lets a concurrent duplicate wait, and run if the first was rolled back", () =>
    Effect.gen(function* () {
      yield* makeLedger
      const inbox = yield* Inbox.Inbox
      const begun = yield* Deferred.make<void>()
      const event = yield* Paid.event({ n: 1 })
      const handler = (work: Effect.Effect<void, Refused, SqlClient.SqlClient>) =>
        Handler.make(billing, () => work).pipe(Inbox.once())
      const options = { routingKey: "invoice.paid.normal", persistent: true, traceparent: undefined }
      const envelope = yield* Effect.fromResult(EventCodec.toEnvelope(event, options))
      const run = Effect.fnUntraced(function* (work: Effect.Effect<void, Refused, SqlClient.SqlClient>) {
        const handle = yield* handler(work).prepare(yield* Effect.scope)
        return yield* handle({ event, envelope, queue: "billing", attempt: 1, redelivered: false })
      })
      const first = yield* Effect.forkChild(
        Effect.exit(
          run(
            Effect.gen(function* () {
              yield* Effect.orDie(book(1))
              yield* Deferred.succeed(begun, undefined)
              yield* Effect.sleep("100 millis")
              return yield* new Refused()
            })
          )
        )
      )
      yield* Deferred.await(begun)
      assert.deepStrictEqual(yield* run(Effect.orDie(Effect.asVoid(book(2)))), Settlement.ack)
      yield* Fiber.join(first)
      assert.deepStrictEqual(yield* booked, [2])
      assert.deepStrictEqual(yield* run(Effect.orDie(Effect.asVoid(book(3)))), Settlement.ack)
      assert.deepStrictEqual(yield* booked, [2])
      assert.strictEqual((yield* inbox.withTransaction(Inbox.claim("billing", [event.eventId]))).size, 0)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("may key an event by its round, for a replay that is to run again", () =>
    Effect.gen(function* () {
      yield* makeLedger
      const bus = yield* EventBus.EventBus
      const handler = Handler.make(billing, ({ payload }) =>
        payload.n === 1 && isFailing ? Effect.fail(new Refused()) : book(payload.n)
      )
      let isFailing = false
      const by = Inbox.once<EventType.EventOf<typeof Paid>>({
        by: ({ envelope, event }) => `${event.eventId}/${envelope.round}`
      })
      yield* bus.subscribe(handler.pipe(by, Handler.onFailure(FailurePolicy.deadLetter)))
      const event = yield* Paid.event({ n: 1 })
      isFailing = true
      yield* bus.publish(event)
      yield* eventually(
        "it is a dead letter",
        Effect.map(bus.queueInfo("dlq.billing"), (info) => Option.isSome(info) && info.value.messages === 1)
      )
      isFailing = false
      yield* bus.publish(event)
      yield* isBooked(1)
      yield* bus.deadLetters("billing").replay()
      yield* eventually(
        "it is booked once more",
        Effect.map(booked, (numbers) => numbers.length === 2)
      )
      assert.sameMembers(
        (yield* inboxKeys).map(({ event_id }) => event_id),
        [`${event.eventId}/0`, `${event.eventId}/1`]
      )
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("records the keys of many events at once, and returns the new ones", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox.Inbox
      const keys = Array.from({ length: 2500 }, (_, index) => `e${index}`)
      const claim = (keys: ReadonlyArray<string>) => inbox.withTransaction(Inbox.claim("search", keys))
      assert.strictEqual((yield* claim(keys)).size, 2500)
      assert.deepStrictEqual([...(yield* claim(["e1", "new", "new", "e2"]))], ["new"])
      const error = yield* Effect.flip(
        inbox.withTransaction(Effect.andThen(Inbox.claim("search", ["x"]), Effect.fail("no")))
      )
      assert.strictEqual(error, "no")
      assert.deepStrictEqual([...(yield* claim(["x"]))], ["x"])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("joins a batch: its new events commit with their keys, and known ones are done", () =>
    Effect.gen(function* () {
      yield* makeLedger
      const bus = yield* EventBus.EventBus
      const inbox = yield* Inbox.Inbox
      const bulk = Subscription.make("billing", { events: [Paid] })
      const policy = FailurePolicy.tags({ SqlError: FailurePolicy.retryUpToMax })
      const handler = Batch.make(bulk, { size: 3, within: "1 hour" }, (events) =>
        Effect.gen(function* () {
          const keys = events.map(({ eventId }) => eventId)
          const fresh = yield* Inbox.claim("billing", keys)
          for (const { eventId, payload } of events) if (fresh.has(eventId)) yield* book(payload.n)
        }).pipe(inbox.withTransaction)
      )
      assert.throws(() => Inbox.once()(handler), RangeError, /call Inbox.claim in a transaction of the batch/)
      yield* bus.subscribe(handler.pipe(Handler.onFailure(policy)))
      const paid = yield* Effect.forEach([1, 2, 3, 4], (n) => Paid.event({ n }))
      yield* bus.publishAll(paid.slice(0, 3))
      yield* isBooked(3)
      yield* bus.publishAll(paid.slice(1))
      yield* isBooked(4)
      assert.deepStrictEqual(yield* booked, [1, 2, 3, 4])
      assert.strictEqual((yield* inboxKeys).length, 4)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("may keep its keys for ever", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox.Inbox
      const claim = inbox.withTransaction(Inbox.claim("search", ["a"], { keep: Duration.infinity }))
      assert.strictEqual((yield* claim).size, 1)
      assert.strictEqual(yield* Inbox.sweep, 0)
      assert.strictEqual((yield* claim).size, 0)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("is swept of the keys whose time is over, and of no others", () =>
    Effect.gen(function* () {
      const inbox = yield* Inbox.Inbox
      const keys = Array.from({ length: 2500 }, (_, index) => `e${index}`)
      yield* inbox.withTransaction(Inbox.claim("old", keys, { keep: 1 }))
      yield* inbox.withTransaction(Inbox.claim("new", ["a"]))
      yield* Effect.sleep("20 millis")
      assert.strictEqual(yield* Inbox.sweep, 2500)
      assert.strictEqual(yield* Inbox.sweep, 0)
      assert.deepStrictEqual(yield* inboxKeys, [{ subscription: "new", event_id: "a" }])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("consumes, writes and publishes in one commit", () =>
    Effect.gen(function* () {
      yield* makeLedger
      const bus = yield* EventBus.EventBus
      const all = yield* collect()
      yield* relay()
      let failures = 2
      const handler = Handler.make(billing, ({ payload }) =>
        Effect.gen(function* () {
          yield* book(payload.n)
          yield* Outbox.publish(yield* Booked.event({ n: payload.n }))
          if (failures-- > 0) return yield* new Refused()
        })
      )
      yield* bus.subscribe(handler.pipe(Inbox.once(), Handler.onFailure(FailurePolicy.retryUpToMax)))
      const event = yield* Paid.event({ n: 1 })
      yield* bus.publishAll([event, event])
      yield* all.until(3)
      yield* bus.publish(yield* Paid.event({ n: 2 }))
      yield* all.until(5)
      assert.deepStrictEqual(yield* booked, [1, 2])
      const results = all.events.filter(({ eventType }) => eventType === Booked.name)
      assert.sameMembers(
        results.map(({ payload }) => JSON.stringify(payload)),
        ['{"n":1}', '{"n":2}']
      )
      assert.strictEqual(results[0]?.parentEventId, event.eventId)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )
})

onPostgres("An inbox amid conflicts", ({ fresh }) => {
  it.live("answers a connection that is cut amid its transaction as SqlError, not as a defect", () =>
    Effect.gen(function* () {
      yield* makeLedger
      const sql = yield* SqlClient.SqlClient
      const bus = yield* EventBus.EventBus
      const attempts: Array<number> = []
      const handler = Handler.make(billing, ({ payload: { n } }, { attempt }) =>
        Effect.gen(function* () {
          attempts.push(attempt)
          yield* book(n)
          if (attempt === 1) yield* sql`SELECT pg_terminate_backend(pg_backend_pid())`
        })
      )
      yield* bus.subscribe(
        handler.pipe(Inbox.once(), Handler.onFailure(FailurePolicy.tags({ SqlError: FailurePolicy.retryUpToMax })))
      )
      yield* bus.publish(yield* Paid.event({ n: 1 }))
      yield* eventually(
        "it is tried again",
        Effect.map(booked, (numbers) => numbers.length === 1),
        {
          atMost: "20 seconds"
        }
      )
      assert.deepStrictEqual(attempts, [1, 2])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("runs a deadlocked transaction again without using up an attempt", () =>
    Effect.gen(function* () {
      yield* makeLedger
      const sql = yield* SqlClient.SqlClient
      const bus = yield* EventBus.EventBus
      yield* sql`CREATE TABLE accounts (id integer PRIMARY KEY, sum integer NOT NULL)`
      yield* sql`INSERT INTO accounts VALUES (1, 0), (2, 0)`
      const attempts: Array<number> = []
      let runs = 0
      // Two transactions take two rows in opposite order.
      const both = Subscription.make("transfers", { events: [Paid], concurrency: 2 })
      const met = yield* Deferred.make<void>()
      const handler = Handler.make(both, ({ payload: { n } }, { attempt }) =>
        Effect.gen(function* () {
          attempts.push(attempt)
          const ids = n === 1 ? [1, 2] : [2, 1]
          yield* sql`UPDATE accounts SET sum = sum + 1 WHERE id = ${ids[0]}`
          if (++runs === 2) yield* Deferred.succeed(met, undefined)
          yield* Deferred.await(met)
          yield* sql`UPDATE accounts SET sum = sum + 1 WHERE id = ${ids[1]}`
        })
      )
      yield* bus.subscribe(
        handler.pipe(Inbox.once(), Handler.onFailure(FailurePolicy.tags({ SqlError: FailurePolicy.deadLetter })))
      )
      yield* bus.publishAll([yield* Paid.event({ n: 1 }), yield* Paid.event({ n: 2 })])
      yield* eventually(
        "both transfers are done",
        Effect.map(sql`SELECT 1 AS found FROM accounts WHERE sum = 2`, (rows) => rows.length === 2)
      )
      assert.isAbove(attempts.length, 2)
      assert.deepStrictEqual(new Set(attempts), new Set([1]))
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("is swept by statements of a bounded size, which pass over the keys that a transaction holds", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const inbox = yield* Inbox.Inbox
      yield* sql`CREATE TABLE sweeps (at bigint GENERATED ALWAYS AS IDENTITY, n integer)`
      yield* sql`CREATE FUNCTION count_swept() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO sweeps (n) SELECT count(*) FROM swept; RETURN NULL; END'`
      yield* sql`CREATE TRIGGER swept AFTER DELETE ON eventbus_inbox REFERENCING OLD TABLE AS swept
        FOR EACH STATEMENT EXECUTE FUNCTION count_swept()`
      const keys = Array.from({ length: 2500 }, (_, index) => `e${index}`)
      yield* inbox.withTransaction(Inbox.claim("old", keys))
      yield* sql`UPDATE eventbus_inbox SET expires_ms = 0`
      const held = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const holding = yield* Effect.forkScoped(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT 1 AS held FROM eventbus_inbox WHERE event_id = 'e0' FOR UPDATE`
            yield* Deferred.succeed(held, undefined)
            yield* Deferred.await(go)
          })
        )
      )
      yield* Deferred.await(held)
      const sweeping = yield* Effect.forkScoped(Inbox.sweep)
      yield* eventually(
        "the sweep ends, or waits for the transaction",
        Effect.map(
          sql`SELECT 1 AS found FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE%eventbus_inbox%'`,
          ({ length }) => length > 0 || sweeping.pollUnsafe() !== undefined
        )
      )
      const isPast = sweeping.pollUnsafe() !== undefined
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(holding)
      assert.strictEqual(yield* Fiber.join(sweeping), 2499)
      assert.isTrue(isPast, "it did not wait")
      const sweeps = yield* sql<{ n: number }>`SELECT n FROM sweeps ORDER BY at`
      assert.deepStrictEqual(
        sweeps.map(({ n }) => n),
        [1000, 1000, 499]
      )
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("records keys in one order, so that two transactions never wait for each other", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const inbox = yield* Inbox.Inbox
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(
        inbox.withTransaction(
          Effect.gen(function* () {
            yield* Inbox.claim("search", ["b"])
            yield* Deferred.succeed(begun, undefined)
            yield* Deferred.await(go)
            return yield* Inbox.claim("search", ["c"])
          })
        )
      )
      yield* Deferred.await(begun)
      const second = yield* Effect.forkChild(inbox.withTransaction(Inbox.claim("search", ["c", "b"])))
      yield* eventually(
        "the second waits for the first",
        Effect.map(
          sql`SELECT 1 AS found FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%eventbus_inbox%'`,
          (rows) => rows.length > 0
        )
      )
      yield* Deferred.succeed(go, undefined)
      assert.deepStrictEqual([...(yield* Fiber.join(first))], ["c"])
      assert.strictEqual((yield* Fiber.join(second)).size, 0)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  // The first conflict fails a statement, the second may fail the commit.
  for (const level of ["REPEATABLE READ", "SERIALIZABLE"]) {
    it.live(`runs a transaction again that cannot be serialized, without using up an attempt: ${level}`, () =>
      Effect.gen(function* () {
        yield* makeLedger
        const sql = yield* SqlClient.SqlClient
        const bus = yield* EventBus.EventBus
        yield* sql`CREATE TABLE accounts (id integer PRIMARY KEY, sum integer NOT NULL)`
        yield* sql`INSERT INTO accounts VALUES (0, 0), (1, 0), (2, 0)`
        const attempts: Array<number> = []
        let runs = 0
        const met = yield* Deferred.make<void>()
        const both = Subscription.make("transfers", { events: [Paid], concurrency: 2 })
        const handler = Handler.make(both, ({ payload: { n } }, { attempt }) =>
          Effect.gen(function* () {
            attempts.push(attempt)
            // Both read what the other writes.
            const [all] = yield* sql<{ sum: number }>`SELECT sum(sum)::float8 AS sum FROM accounts`
            if (++runs === 2) yield* Deferred.succeed(met, undefined)
            yield* Deferred.await(met)
            const account = level === "SERIALIZABLE" ? n : 0
            yield* sql`UPDATE accounts SET sum = ${(all?.sum ?? 0) + 1}::integer WHERE id = ${account}`
            yield* book(n)
          })
        )
        const policy = FailurePolicy.tags({ SqlError: FailurePolicy.deadLetter })
        yield* bus
          .subscribe(handler.pipe(Inbox.once(), Handler.onFailure(policy)))
          .pipe(Effect.provideService(SqlClient.BeginTransaction, `BEGIN ISOLATION LEVEL ${level}`))
        yield* bus.publishAll([yield* Paid.event({ n: 1 }), yield* Paid.event({ n: 2 })])
        yield* eventually(
          "both are booked",
          Effect.map(booked, ({ length }) => length === 2)
        )
        assert.isAbove(attempts.length, 2)
        assert.deepStrictEqual(new Set(attempts), new Set([1]))
        // As if one had run after the other.
        const [most] = yield* sql<{ sum: number }>`SELECT max(sum)::float8 AS sum FROM accounts`
        assert.strictEqual(most?.sum, 2)
      }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
    )
  }
})
