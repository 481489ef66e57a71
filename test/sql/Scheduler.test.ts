import { randomUUID } from "node:crypto"
import { Migrations, Outbox, Scheduler, Tables } from "@effect-eventbus/sql"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Cron, Deferred, Effect, Fiber, Latch, Layer } from "effect"
import { EventBus } from "effect-eventbus"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as CronTicks from "../../packages/sql/src/internal/cronTicks.ts"
import { eventually } from "../support/eventually.ts"
import { SeededRandom } from "../support/SeededRandom.ts"
import * as Database from "./support/Database.ts"
import { collect, layer, Paid, relay } from "./support/Harness.ts"
import { onEach, onPostgres } from "./support/onEach.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** The share of CI is small: `EVENTBUS_CANCELS=10000 npm test -- sql/Scheduler` is the whole proof. */
const cancels = Number(process.env["EVENTBUS_CANCELS"] ?? 500)

const scheduleIn = Effect.fnUntraced(function* (
  n: number,
  ...at: [Date | number | `${number} hours`, Outbox.PublishOptions?]
) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.withTransaction(Effect.flatMap(Paid.event({ n }), (event) => Scheduler.publishAt(event, ...at)))
})

/** An event is handled a moment before its row goes. */
const noneWaits = eventually(
  "no row waits",
  Effect.map(Outbox.stats, ({ waiting }) => waiting === 0)
)

onEach("A scheduled event", ({ fresh, kind }) => {
  it.live("is published at its time, never early, and after those that are due before it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* relay({ poll: "1 hour" })
      yield* scheduleIn(3, "1 hours")
      const start = performance.now()
      // The relay sees both at once, and the second is due before the first, however long this takes.
      const listed = yield* sql.withTransaction(
        Effect.gen(function* () {
          const soon = new Date(Date.now() + 200)
          yield* scheduleIn(2, 400)
          yield* scheduleIn(1, soon)
          return yield* Scheduler.list()
        })
      )
      assert.strictEqual(listed.length, 3)
      assert.isTrue(listed.every(({ due }, index) => index === 0 || due >= (listed[index - 1]?.due ?? due)))
      yield* all.until(2)
      const elapsed = performance.now() - start
      assert.deepStrictEqual(all.numbers(), [1, 2])
      assert.isAtLeast(elapsed, 399)
      assert.strictEqual((yield* Scheduler.list()).length, 1)
      yield* noneWaits
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("goes with a rollback, can be moved and cancelled, and neither when it is too late", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* relay({ poll: "1 hour" })
      const event = yield* Paid.event({ n: 1 })
      yield* Effect.exit(sql.withTransaction(Effect.andThen(Scheduler.publishAt(event, 10), Effect.fail("no"))))
      assert.strictEqual((yield* Effect.flip(Scheduler.publishAt(event, 10)))._tag, "NoTransaction")
      const cancelled = yield* scheduleIn(2, "1 hours")
      assert.strictEqual(yield* Scheduler.cancel(cancelled), "Cancelled")
      assert.strictEqual(yield* Scheduler.cancel(cancelled), "TooLate")
      const moved = yield* scheduleIn(3, "1 hours")
      // Then the relay waits for an hour, if it is not woken.
      yield* sql.withTransaction(Effect.flatMap(Paid.event({ n: 4 }), (event) => Outbox.publish(event)))
      yield* all.until(1)
      yield* noneWaits
      assert.strictEqual(yield* Scheduler.reschedule(moved, 50), "Rescheduled")
      yield* all.until(2)
      assert.deepStrictEqual(all.numbers(), [4, 3])
      assert.strictEqual(yield* Scheduler.cancel(moved), "TooLate")
      assert.strictEqual(yield* Scheduler.reschedule(moved, 50), "TooLate")
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("is cancelled and moved by its id, and an event that is not scheduled is not", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      const event = yield* Paid.event({ n: 1 })
      yield* sql.withTransaction(Outbox.publish(event))
      assert.strictEqual(yield* Scheduler.cancel(event.eventId), "TooLate")
      assert.strictEqual(yield* Scheduler.reschedule(event.eventId, "1 hour"), "TooLate")
      yield* relay()
      yield* all.until(1)
      assert.deepStrictEqual(all.numbers(), [1])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("is what a publish with a delay becomes, also on the bus of the outbox", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* relay({ poll: "1 hour" })
      const publish = Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const soon = new Date(Date.now() + 50)
        yield* bus.publish(yield* Paid.event({ n: 3 }), { delay: 200 })
        yield* Outbox.publish(yield* Paid.event({ n: 2 }), { deliverAt: soon })
        yield* bus.publish(yield* Paid.event({ n: 1 }))
        const both = { delay: 1, deliverAt: new Date() }
        const event = yield* Paid.event({ n: 4 })
        assert.throws(() => bus.publish(event, both), RangeError)
      })
      yield* sql.withTransaction(Effect.provide(publish, Outbox.layerBus))
      yield* all.until(3)
      assert.deepStrictEqual(all.numbers(), [1, 2, 3])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("that is scheduled again has the new time", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const event = yield* Paid.event({ n: 1 })
      const at = new Date("2100-01-01T00:00:00Z")
      yield* sql.withTransaction(Scheduler.publishAt(event, "1 hours"))
      yield* sql.withTransaction(Scheduler.publishAt(event, at, { key: "a" }))
      assert.deepStrictEqual(yield* Scheduler.list(), [{ id: event.eventId, eventType: Paid.name, key: "a", due: at }])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live(
    "is published or cancelled, never both and never neither",
    () =>
      Effect.gen(function* () {
        const random = new SeededRandom(5)
        const all = yield* collect()
        yield* relay()
        yield* relay()
        const outcomes = yield* Effect.forEach(
          numbers(cancels),
          (n) =>
            Effect.gen(function* () {
              const id = yield* scheduleIn(n, random.int(0, 20))
              yield* Effect.sleep(random.int(0, 40))
              return [n, yield* Scheduler.cancel(id)] as const
            }),
          { concurrency: 8 }
        )
        yield* eventually(
          "nothing waits",
          Effect.map(
            Effect.all([Outbox.stats, Scheduler.list()]),
            ([{ waiting }, { length }]) => waiting + length === 0
          )
        )
        const late = outcomes.filter(([, outcome]) => outcome === "TooLate").map(([n]) => n)
        yield* all.until(late.length)
        assert.sameMembers(all.numbers(), late)
        assert.isAbove(late.length, 0)
        assert.isBelow(late.length, cancels)
      }).pipe(Effect.scoped, Effect.provide(layer(fresh))),
    300_000
  )

  it.live("comes once for each tick of a schedule, however many instances there are", () =>
    Effect.gen(function* () {
      const all = yield* collect()
      yield* relay()
      const everySecond = Scheduler.cron(
        "beat",
        Cron.parseUnsafe("* * * * * *"),
        (tick) => Paid.event({ n: tick.getTime() / 1000 }),
        // A slow machine misses some.
        { missed: "all" }
      )
      yield* Effect.forEach(numbers(3), () => Layer.build(Layer.fresh(everySecond)), { discard: true })
      yield* all.until(3)
      const first = Math.min(...all.numbers())
      const ticks = numbers(3).map((n) => first + n)
      yield* eventually(
        "the first three ticks come",
        Effect.sync(() => ticks.every((tick) => all.numbers().includes(tick)))
      )
      assert.strictEqual(new Set(all.numbers()).size, all.numbers().length)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("comes once for a tick that two instances have read before either of them wrote it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // Due since the last new year, and then not for long.
      const yearly = Cron.parseUnsafe("0 0 1 1 *", "UTC")
      yield* sql`INSERT INTO eventbus_cron (name, tick_ms) VALUES ('yearly', 0)`
      const clock = yield* TestClock.make()
      const ready = yield* Latch.make()
      let readers = 0
      const make = () =>
        Effect.gen(function* () {
          if (++readers === 2) yield* ready.open
          yield* ready.await
          return yield* Paid.event({ n: 1 })
        })
      /** Starts an instance, and returns its first rest: then it has written the tick, or passed over it. */
      const start = Effect.gen(function* () {
        const rested = yield* Deferred.make<void>()
        const sleep = () => Effect.andThen(Deferred.succeed(rested, undefined), Effect.never)
        yield* Layer.build(Layer.fresh(Scheduler.cron("yearly", yearly, make))).pipe(
          Effect.provideService(Clock.Clock, { ...clock, sleep })
        )
        return rested
      })
      const rests = yield* Effect.all([start, start])
      yield* Effect.forEach(rests, (rested) => Deferred.await(rested), { discard: true })
      assert.strictEqual((yield* Outbox.stats).waiting, 1)
      assert.strictEqual((yield* sql`SELECT name FROM eventbus_cron`).length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("takes its place among those of its key by its time, also when many are due at once", () =>
    Effect.gen(function* () {
      const all = yield* collect()
      for (const n of [3, 1, 2]) yield* scheduleIn(n, new Date(n * 1000), { key: "a" })
      yield* relay()
      yield* all.until(3)
      assert.deepStrictEqual(all.numbers(), [1, 2, 3])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("that could not be written leaves its tick to be tried again", () =>
    Effect.gen(function* () {
      const all = yield* collect()
      yield* relay()
      const ticks: Array<number> = []
      const everySecond = Scheduler.cron(
        "beat",
        Cron.parseUnsafe("* * * * * *"),
        (tick) => {
          ticks.push(tick.getTime() / 1000)
          // The schema refuses the first event.
          return Paid.event({ n: ticks.length === 1 ? 0.5 : tick.getTime() / 1000 })
        },
        { missed: "all" }
      )
      yield* Layer.build(Layer.fresh(everySecond))
      yield* all.until(1)
      assert.strictEqual(all.numbers()[0], ticks[0])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("whose maker died leaves its tick to be tried again", () =>
    Effect.gen(function* () {
      const all = yield* collect()
      yield* relay()
      let isBroken = true
      const everySecond = Scheduler.cron("beat", Cron.parseUnsafe("* * * * * *"), (tick) => {
        if (!isBroken) return Paid.event({ n: tick.getTime() / 1000 })
        isBroken = false
        return Effect.die(new Error("a bug"))
      })
      yield* Layer.build(Layer.fresh(everySecond))
      yield* Effect.timeout(all.until(1), "20 seconds")
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("joins tables of the first version, whose rows are published after the upgrade", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [first] = Migrations.all(kind)
      // As version 1 made and filled them.
      const script = Migrations.script(kind, 1).replace(/^BEGIN;|COMMIT;$/gm, "")
      yield* Effect.forEach(
        script.split(/;\n/).filter((statement) => statement.trim() !== ""),
        (statement) => sql.unsafe(statement),
        { discard: true }
      )
      assert.strictEqual(first?.id, 1)
      const headers = '{"routingKey":"invoice.paid.normal","priority":"normal","persistent":true,"unroutable":"ignore"}'
      const event = yield* Paid.event({ n: 1 })
      const body = new TextEncoder().encode(
        JSON.stringify({
          event_id: event.eventId,
          event_type: "invoice.paid",
          timestamp: "2026-01-01T00:00:00.000000Z",
          payload: { n: 1 }
        })
      )
      yield* sql`INSERT INTO eventbus_outbox ${sql.insert({ event_id: event.eventId, event_type: "invoice.paid", key: null, headers, body })}`
      const run = Effect.gen(function* () {
        const all = yield* collect()
        yield* relay()
        yield* all.until(1)
        yield* scheduleIn(2, 10)
        yield* all.until(2)
        assert.deepStrictEqual(all.numbers(), [1, 2])
      })
      yield* run.pipe(Effect.scoped, Effect.provide(layer(Layer.succeed(SqlClient.SqlClient, sql))))
      assert.deepStrictEqual(yield* Migrations.migrate(), [])
      yield* Tables.make()
    }).pipe(Effect.scoped, Effect.provide(fresh))
  )
})

onPostgres("A scheduled event that is due while a transaction changes it", ({ make }) => {
  for (const outcome of ["Rescheduled", "Cancelled"] as const) {
    it.live(`holds up no other, and is not published after the commit: ${outcome}`, () => {
      const applicationName = randomUUID()
      return Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const all = yield* collect()
        const id = yield* scheduleIn(1, new Date(0))
        const changed = yield* Deferred.make<void>()
        const go = yield* Deferred.make<void>()
        const change = outcome === "Cancelled" ? Scheduler.cancel(id) : Scheduler.reschedule(id, "1 hour")
        const changing = yield* Effect.forkChild(
          sql.withTransaction(
            Effect.tap(change, () => Effect.andThen(Deferred.succeed(changed, undefined), Deferred.await(go)))
          )
        )
        yield* Deferred.await(changed)
        yield* relay()
        yield* scheduleIn(2, new Date(1))
        const waits = sql`SELECT 1 AS found FROM pg_locks JOIN pg_stat_activity USING (pid)
          WHERE NOT granted AND locktype = 'transactionid' AND application_name = ${applicationName}`
        yield* eventually(
          "the other is published, or waits for the transaction",
          Effect.map(waits, ({ length }) => length > 0 || all.numbers().length > 0)
        )
        const before = all.numbers()
        yield* Deferred.succeed(go, undefined)
        assert.strictEqual(yield* Fiber.join(changing), outcome)
        assert.deepStrictEqual(before, [2])
        // The relay looks for what is due once more before it publishes this one.
        yield* scheduleIn(3, new Date(2))
        yield* all.until(2)
        assert.deepStrictEqual(all.numbers(), [2, 3])
        assert.strictEqual((yield* Scheduler.list()).length, outcome === "Cancelled" ? 0 : 1)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.unwrap(Effect.map(make, (database) => layer(Database.client(database, { applicationName }))))
        )
      )
    })
  }
})

describe("The ticks of a schedule", () => {
  const at = (time: string) => Date.parse(time)
  const hourly = Cron.parseUnsafe("0 * * * *", "UTC")

  it("that were missed come as the latest, all or none", () => {
    const [last, now] = [at("2026-01-01T00:00:00Z"), at("2026-01-01T03:30:00Z")]
    const hours = ["01", "02", "03"].map((hour) => at(`2026-01-01T${hour}:00:00Z`))
    const upTo = at("2026-01-01T03:00:00Z")
    assert.deepStrictEqual(CronTicks.due(hourly, last, now, "latest"), { ticks: [upTo], upTo })
    assert.deepStrictEqual(CronTicks.due(hourly, last, now, "all"), { ticks: hours, upTo })
    assert.deepStrictEqual(CronTicks.due(hourly, last, now, "none"), { ticks: [], upTo })
  })

  it("that have just come are never missed, and none comes twice", () => {
    const tick = at("2026-01-01T01:00:00Z")
    for (const missed of ["latest", "all", "none"] as const) {
      assert.deepStrictEqual(CronTicks.due(hourly, tick - 1, tick, missed), { ticks: [tick], upTo: tick })
      assert.deepStrictEqual(CronTicks.due(hourly, tick - 1, tick + 500, missed), { ticks: [tick], upTo: tick })
      assert.deepStrictEqual(CronTicks.due(hourly, tick, tick + 500, missed), { ticks: [], upTo: tick })
      assert.deepStrictEqual(CronTicks.due(hourly, tick - 3_600_000, tick - 1, missed).ticks, [])
    }
  })

  it("of a daily schedule come once a day, also when the clocks change", () => {
    const daily = Cron.parseUnsafe("30 2 * * *", "Europe/Berlin")
    for (const [from, to, days] of [
      ["2026-03-25T12:00:00Z", "2026-04-02T12:00:00Z", 8],
      ["2026-10-20T12:00:00Z", "2026-10-30T12:00:00Z", 10]
    ] as const) {
      let last = at(from)
      let count = 0
      // As the scheduler looks: every quarter of an hour.
      for (let now = last; now <= at(to); now += 900_000) {
        const { ticks, upTo } = CronTicks.due(daily, last, now, "latest")
        count += ticks.length
        last = upTo
      }
      assert.strictEqual(count, days)
    }
  })
})
