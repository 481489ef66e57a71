import { Outbox, ParkedEvents } from "@effect-eventbus/sql"
import { assert, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Layer, Logger, Metric, Option } from "effect"
import { EventBus, Handler, PublishError, Subscription, Traceparent } from "effect-eventbus"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { SpanCollector } from "../../packages/testing/src/contract/SpanCollector.ts"
import { eventually } from "../support/eventually.ts"
import { collect, layer, Noted, Paid, relay } from "./support/Harness.ts"
import { onEach } from "./support/onEach.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

const publishIn = Effect.fnUntraced(function* (n: number, options?: Outbox.PublishOptions) {
  const sql = yield* SqlClient.SqlClient
  const event = yield* Paid.event({ n })
  yield* sql.withTransaction(Outbox.publish(event, options))
  return event
})

const isEmpty = eventually(
  "the outbox is empty",
  Effect.map(Outbox.stats, ({ waiting }) => waiting === 0)
)

onEach("The outbox", ({ fresh }) => {
  it.live("publishes what a transaction has committed, with its id, and keeps no row", () =>
    Effect.gen(function* () {
      const all = yield* collect()
      yield* relay()
      const event = yield* publishIn(1)
      yield* all.until(1)
      assert.strictEqual(all.events[0]?.eventId, event.eventId)
      yield* isEmpty
      assert.deepStrictEqual(yield* Outbox.stats, { waiting: 0, oldest: Option.none(), parked: 0 })
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("forgets what was rolled back, also to a savepoint", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* relay()
      const publish = (n: number) => Effect.flatMap(Paid.event({ n }), (event) => Outbox.publish(event))
      yield* Effect.exit(sql.withTransaction(Effect.andThen(publish(1), Effect.fail("no"))))
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* Effect.exit(sql.withTransaction(Effect.andThen(publish(2), Effect.fail("no"))))
          yield* publish(3)
        })
      )
      yield* all.until(1)
      yield* isEmpty
      assert.deepStrictEqual(all.numbers(), [3])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("refuses a publish outside of a transaction", () =>
    Effect.gen(function* () {
      const event = yield* Paid.event({ n: 1 })
      const error = yield* Effect.flip(Outbox.publish(event))
      assert(error._tag === "NoTransaction")
      assert.match(error.message, /no transaction is open\. Publish it inside of sql\.withTransaction/)
      assert.strictEqual((yield* Outbox.stats).waiting, 0)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("refuses a wrong payload and a large one in the caller, and the transaction is rolled back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE orders (id INTEGER)`
      const reasonOf = (event: Parameters<typeof Outbox.publish>[0]) =>
        sql.withTransaction(Effect.andThen(sql`INSERT INTO orders VALUES (1)`, Outbox.publish(event))).pipe(
          Effect.flip,
          Effect.map((error) => (error._tag === "PublishError" ? error.reason._tag : error._tag))
        )
      assert.strictEqual(yield* reasonOf(yield* Paid.event({ n: 0.5 })), "EncodeFailed")
      assert.strictEqual(yield* reasonOf(yield* Noted.event({ text: "x".repeat(2000) })), "TooLarge")
      assert.deepStrictEqual(yield* sql`SELECT * FROM orders`, [])
      assert.strictEqual((yield* Outbox.stats).waiting, 0)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { outbox: { maxBodyBytes: 1000 } })))
  )

  it.live("keeps the order of a key, with two relays", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* Effect.forEach(
        numbers(10),
        (batch) =>
          sql.withTransaction(
            Effect.forEach(numbers(40), (index) =>
              Effect.flatMap(Paid.event({ n: batch * 40 + index }), (event) =>
                Outbox.publish(event, { key: `k${index % 4}` })
              )
            )
          ),
        { discard: true }
      )
      yield* relay({ batch: 7 })
      yield* relay({ batch: 7 })
      yield* all.until(400)
      for (const key of numbers(4)) {
        const mine = all.numbers().filter((n) => n % 4 === key)
        assert.deepStrictEqual(
          mine,
          mine.toSorted((a, b) => a - b)
        )
      }
      assert.strictEqual(new Set(all.numbers()).size, 400)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("publishes large bodies, too", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* relay()
      const events = yield* Effect.forEach(numbers(10), (n) => Noted.event({ text: `${n}`.repeat(200_000) }))
      yield* sql.withTransaction(Outbox.publishAll(events))
      yield* all.until(10)
      yield* isEmpty
      assert.sameMembers(
        all.events.map(({ payload }) => JSON.stringify(payload)),
        events.map(({ payload }) => JSON.stringify(payload))
      )
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("finds rows of which no commit has told it: looking at the table is the truth", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* sql`CREATE TABLE stolen AS SELECT * FROM eventbus_outbox WHERE 1 = 0`
      yield* publishIn(1)
      yield* sql`INSERT INTO stolen SELECT * FROM eventbus_outbox`
      yield* sql`DELETE FROM eventbus_outbox`
      yield* relay()
      yield* publishIn(2)
      yield* all.until(1)
      yield* isEmpty
      // By then the relay has looked once more, found nothing, and waits.
      yield* Effect.sleep("200 millis")
      yield* sql`INSERT INTO eventbus_outbox SELECT * FROM stolen`
      yield* all.until(2)
      assert.deepStrictEqual(all.numbers(), [2, 1])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )
})

onEach("The outbox, seen by operators,", ({ fresh }) => {
  it.live("degrades the health of its bus when the oldest event is too old", () =>
    Effect.gen(function* () {
      const health = Effect.flatMap(EventBus.EventBus, (bus) => bus.health).pipe(Effect.provide(Outbox.layerBus))
      assert.strictEqual((yield* health).status, "healthy")
      yield* publishIn(1)
      yield* Effect.sleep("20 millis")
      const { details, status } = yield* health
      assert.strictEqual(status, "degraded")
      assert.strictEqual(details["outboxWaiting"], 1)
      assert.match(String(details["outbox"]), /^the oldest event waits for \d+ s$/)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { outbox: { tooOld: 10 } })))
  )

  it.live("has gauges of what waits and what is parked", () =>
    Effect.gen(function* () {
      yield* publishIn(1)
      yield* publishIn(2)
      yield* relay()
      yield* eventually(
        "the gauges are there",
        Effect.map(Metric.snapshot, (snapshot) => {
          const values = snapshot.filter(({ id }) => id.startsWith("eventbus_outbox_")).map(({ id }) => id)
          return values.length === 3
        })
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(layer(fresh, { broken: { isUp: () => false } })),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

  it.live("links the transaction, the relay and the handling in one trace", () => {
    const spans = new SpanCollector()
    return spans
      .collect(
        Effect.gen(function* () {
          const bus = yield* EventBus.EventBus
          const done = yield* Deferred.make<void>()
          yield* bus.subscribe(
            Handler.make(Subscription.make("spans", { events: [Paid] }), () => Deferred.succeed(done, undefined))
          )
          yield* relay()
          yield* Effect.withSpan(publishIn(1), "the request")
          yield* Deferred.await(done)
        })
      )
      .pipe(
        Effect.scoped,
        Effect.provide(layer(fresh)),
        Effect.andThen(
          Effect.sync(() => {
            const [request] = spans.named("the request")
            const [sent] = spans.named("relay")
            const linked = spans.all.filter(
              (span) =>
                span.links.some((link) => link.span.spanId === sent?.spanId) ||
                Option.exists(span.parent, ({ spanId }) => spanId === sent?.spanId)
            )
            assert.isDefined(request)
            assert.strictEqual(sent?.traceId, request?.traceId)
            assert.isAbove(linked.length, 0)
          })
        )
      )
  })
})

onEach("The outbox without a tracer", ({ fresh }) => {
  it.live("keeps the trace context of another process, and none of spans that nothing records", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      const parent = Traceparent.toSpan(text)
      assert(parent !== undefined)
      const traceparents: Array<string | undefined> = []
      const bus = yield* EventBus.EventBus
      const done = yield* Deferred.make<void>()
      const subscription = Subscription.make("traces", { events: [Paid], concurrency: 1 })
      yield* bus.subscribe(
        Handler.make(subscription, (_, { envelope }) => {
          traceparents.push(envelope.traceparent)
          return traceparents.length === 2 ? Deferred.succeed(done, undefined) : Effect.void
        })
      )
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* Effect.withSpan(Outbox.publish(yield* Paid.event({ n: 1 })), "place")
          const request = Effect.withSpan(Outbox.publish(yield* Paid.event({ n: 2 })), "place")
          yield* Effect.withParentSpan(request, parent)
        })
      )
      yield* relay()
      yield* Deferred.await(done)
      assert.sameMembers(traceparents, [undefined, text])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )
})

onEach("A relay whose broker fails", ({ fresh }) => {
  it.live("parks what is refused for good, with its reason and its followers, until an operator puts it back", () => {
    let isRefusing = true
    const publish = ({ body }: { readonly body: Uint8Array }, send: Effect.Effect<void, PublishError.Reason>) =>
      isRefusing && new TextDecoder().decode(body).includes('"n":1')
        ? Effect.fail(new PublishError.Refused({ detail: "no ones" }))
        : send
    return Effect.gen(function* () {
      const all = yield* collect()
      yield* relay()
      const first = yield* publishIn(1, { key: "a" })
      yield* eventually(
        "it is parked",
        Effect.map(Outbox.stats, ({ parked }) => parked === 1)
      )
      yield* publishIn(2, { key: "a" })
      yield* publishIn(3, { key: "b" })
      yield* publishIn(4)
      yield* all.until(2)
      yield* isEmpty
      assert.sameMembers(all.numbers(), [3, 4])
      const parked = yield* ParkedEvents.list()
      assert.deepStrictEqual(
        parked.map(({ key, reason }) => [key, reason]),
        [
          ["a", "the broker refused it: no ones"],
          ["a", `behind ${first.eventId}, which has the same key`]
        ]
      )
      isRefusing = false
      assert.strictEqual(yield* ParkedEvents.requeue({ eventId: first.eventId }), 2)
      yield* all.until(4)
      yield* isEmpty
      assert.deepStrictEqual(all.numbers().slice(2), [1, 2])
      assert.deepStrictEqual(yield* ParkedEvents.list(), [])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
  })

  it.live("parks the rest of a claim behind what was refused, and goes on when that is discarded", () => {
    const publish = ({ body }: { readonly body: Uint8Array }, send: Effect.Effect<void, PublishError.Reason>) =>
      new TextDecoder().decode(body).includes('"n":2')
        ? Effect.fail(new PublishError.Refused({ detail: "no twos" }))
        : send
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      const events = yield* Effect.forEach([1, 2, 3], (n) => Paid.event({ n }))
      yield* sql.withTransaction(Outbox.publishAll(events, { key: "a" }))
      yield* relay()
      yield* eventually(
        "two are parked",
        Effect.map(Outbox.stats, ({ parked }) => parked === 2)
      )
      yield* all.until(1)
      assert.deepStrictEqual(all.numbers(), [1])
      assert.strictEqual(yield* ParkedEvents.discard({ eventId: events[1]?.eventId }), 1)
      assert.strictEqual(yield* ParkedEvents.requeue({ key: "a" }), 1)
      yield* all.until(2)
      assert.deepStrictEqual(all.numbers(), [1, 3])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
  })

  it.live("lets a nacked key wait alone, and keeps its order", () => {
    let attempts = 0
    let since: number | undefined
    /** The queue is full for half a second. */
    const isFull = () => performance.now() - (since ??= performance.now()) < 500
    const publish = (
      { body, routingKey }: { readonly body: Uint8Array; readonly routingKey: string },
      send: Effect.Effect<void, PublishError.Reason>
    ) =>
      Effect.suspend(() => {
        if (!new TextDecoder().decode(body).includes('"n":1')) return send
        attempts++
        return isFull() ? Effect.fail(new PublishError.Nacked({ routingKey })) : send
      })
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      const events = yield* Effect.forEach([1, 2], (n) => Paid.event({ n }))
      yield* sql.withTransaction(
        Effect.andThen(
          Outbox.publishAll(events, { key: "a" }),
          Effect.flatMap(Paid.event({ n: 3 }), (event) => Outbox.publish(event))
        )
      )
      yield* relay()
      yield* all.until(3)
      assert.deepStrictEqual(all.numbers(), [3, 1, 2])
      // After 100 ms, 200 ms, 400 ms, each up to a poll late.
      assert.isAtMost(attempts, 6)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
  })

  it.live("goes on with all others while one event is never confirmed", () => {
    let isConfirmed = false
    const publish = ({ body }: { readonly body: Uint8Array }, send: Effect.Effect<void, PublishError.Reason>) =>
      Effect.suspend(() =>
        isConfirmed || !new TextDecoder().decode(body).includes('"n":1}')
          ? send
          : Effect.fail(new PublishError.Timeout({ millis: 1 }))
      )
    const others = numbers(30).map((n) => n + 10)
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    return Effect.gen(function* () {
      const all = yield* collect()
      yield* relay()
      yield* publishIn(1, { key: "a" })
      yield* publishIn(2, { key: "a" })
      for (const [index, n] of others.entries()) {
        yield* publishIn(n)
        yield* all.until(index + 1)
      }
      assert.deepStrictEqual(all.numbers(), others)
      isConfirmed = true
      yield* all.until(others.length + 2)
      assert.deepStrictEqual(all.numbers().slice(-2), [1, 2])
      assert.match(lines[0] ?? "", /^The broker did not confirm 1 of \d+ events of the outbox in time/)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(layer(fresh, { broken: { publish } }), Logger.layer([logger]))))
  })

  it.live("claims less at a time from a broker that is slow to confirm", () => {
    const window = 40
    let inFlight = 0
    let attempts = 0
    // What is beyond its window is not confirmed in time.
    const publish = (_: unknown, send: Effect.Effect<void, PublishError.Reason>) =>
      Effect.suspend(() => {
        attempts++
        if (inFlight >= window) return Effect.fail(new PublishError.Timeout({ millis: 1 }))
        inFlight++
        return Effect.ensuring(
          Effect.delay(send, "20 millis"),
          Effect.sync(() => inFlight--)
        )
      })
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* sql.withTransaction(Outbox.publishAll(yield* Effect.forEach(numbers(600), (n) => Paid.event({ n }))))
      yield* relay()
      yield* all.until(600)
      // Claims of 500 would take 4,600.
      assert.isAtMost(attempts, 2000)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
  })

  it.live("waits while the broker is down, opens no transaction, and goes on by itself", () => {
    let isUp = false
    let publishes = 0
    const publish = (_: unknown, send: Effect.Effect<void, PublishError.Reason>) =>
      Effect.suspend(() => {
        publishes++
        return isUp ? send : Effect.fail(new PublishError.Disconnected({ detail: "down", millis: 1 }))
      })
    return Effect.gen(function* () {
      const all = yield* collect()
      yield* relay()
      yield* publishIn(1)
      yield* Effect.sleep("300 millis")
      assert.strictEqual(publishes, 0)
      isUp = true
      yield* all.until(1)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish, isUp: () => isUp } })))
  })

  it.live("keeps the rows of an uncertain publish, and publishes them again", () => {
    let isLost = true
    const publish = (_: unknown, send: Effect.Effect<void, PublishError.Reason>) =>
      Effect.suspend(() => {
        const lost = isLost
        isLost = false
        return lost ? Effect.andThen(send, Effect.fail(new PublishError.Timeout({ millis: 1 }))) : send
      })
    return Effect.gen(function* () {
      const all = yield* collect()
      yield* relay()
      yield* publishIn(1)
      yield* all.until(2)
      yield* isEmpty
      assert.deepStrictEqual(all.numbers(), [1, 1])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
  })

  it.live("publishes a long key and large bodies once, though they take longer than a claim may", () => {
    const ids: Array<string | undefined> = []
    const publish = ({ id }: { readonly id: string | undefined }, send: Effect.Effect<void, PublishError.Reason>) =>
      Effect.suspend(() => {
        ids.push(id)
        return Effect.delay(send, id?.startsWith("0") === true ? "10 millis" : "100 millis")
      })
    return Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const of = (kind: number, n: number) => `${kind}0000000-0000-4000-8000-${String(n).padStart(12, "0")}`
      const small = yield* Effect.forEach(numbers(450), (n) => Paid.event({ n }, { eventId: of(0, n) }))
      const text = "x".repeat(70_000)
      const large = yield* Effect.forEach(numbers(200), (n) => Noted.event({ text }, { eventId: of(1, n) }))
      yield* sql.withTransaction(Outbox.publishAll(small, { key: "a" }))
      yield* relay()
      yield* isEmpty
      yield* sql.withTransaction(Outbox.publishAll(large))
      yield* isEmpty
      assert.strictEqual(new Set(ids).size, 650)
      assert.strictEqual(ids.length, 650)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
  })

  it.live("drops what no queue is bound for, or parks it when the publish asked for that", () =>
    Effect.gen(function* () {
      yield* relay()
      yield* publishIn(1)
      yield* isEmpty
      yield* publishIn(2, { unroutable: "fail" })
      yield* isEmpty
      assert.deepStrictEqual(
        (yield* ParkedEvents.list()).map(({ reason }) => reason),
        ['no queue is bound for the routing key "invoice.paid.normal"']
      )
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("parks a row that another program wrote and that it cannot read", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO eventbus_outbox ${sql.insert([{ event_id: "x", event_type: "y", headers: "z", body: new Uint8Array() }])}`
      yield* relay()
      yield* eventually(
        "it is parked",
        Effect.map(ParkedEvents.list(), ([row]) => row?.reason.startsWith("its headers cannot be read") === true)
      )
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("ends the claim that it has begun when it stops, so that nothing is published twice", () => {
    const started = Deferred.makeUnsafe<void>()
    const publish = (_: unknown, send: Effect.Effect<void, PublishError.Reason>) =>
      Effect.andThen(Deferred.succeed(started, undefined), Effect.delay(send, "200 millis"))
    return Effect.gen(function* () {
      const all = yield* collect()
      const stopped = yield* Effect.exit(
        Effect.scoped(Effect.andThen(relay(), Effect.andThen(publishIn(1), Deferred.await(started))))
      )
      assert.isTrue(Exit.isSuccess(stopped))
      assert.strictEqual((yield* Outbox.stats).waiting, 0)
      yield* all.until(1)
      assert.deepStrictEqual(all.numbers(), [1])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
  })
})

/** The time that so many pauses take, each twice as long as the one before. */
const pauses = (count: number) => numbers(count).reduce((sum, n) => sum + 100 * 2 ** n, 0)

onEach("A relay whose broker refuses again and again", ({ fresh, kind }) => {
  const reasons = {
    "has no answer": new PublishError.Timeout({ millis: 1 }),
    nacks: new PublishError.Nacked({ routingKey: "invoice.paid.normal" })
  }
  for (const [what, reason] of Object.entries(reasons)) {
    // On PostgreSQL two claims wait on their own, and the one that finds the row locked starts with the first wait again.
    it.live.skipIf(kind === "postgres")(`waits twice as long after each publish that the broker ${what}`, () => {
      const attempts: Array<number> = []
      return Effect.gen(function* () {
        const clock = yield* TestClock.make()
        const publish = () =>
          Effect.suspend(() => {
            attempts.push(clock.currentTimeMillisUnsafe())
            return Effect.fail(reason)
          })
        yield* Effect.gen(function* () {
          yield* Effect.provideService(relay(), Clock.Clock, clock)
          yield* publishIn(1, { key: "a" })
          yield* eventually(
            "it was tried seven times",
            Effect.andThen(
              clock.adjust("50 millis"),
              Effect.sync(() => attempts.length >= 7)
            ),
            { every: "5 millis" }
          )
        }).pipe(Effect.scoped, Effect.provide(layer(fresh, { broken: { publish } })))
        for (const [n, at] of attempts.slice(0, 7).entries()) assert.isAtLeast(at, pauses(n))
      })
    })
  }
})

onEach("The lease of a relay", ({ fresh, kind }) => {
  const untils = Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ until_ms: number }>`SELECT until_ms FROM eventbus_lease`
  )

  it.live.skipIf(kind === "postgres")("is renewed while rows come, and given up at the end", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const clock = yield* TestClock.make()
      const all = yield* collect()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Effect.provideService(relay(), Clock.Clock, clock)
          yield* publishIn(1)
          yield* all.until(1)
          yield* isEmpty
          yield* sql`UPDATE eventbus_lease SET until_ms = 0`
          yield* clock.adjust("3 seconds")
          yield* publishIn(2)
          yield* all.until(2)
          assert.isAbove((yield* untils)[0]?.until_ms ?? 0, 0)
        })
      )
      assert.deepStrictEqual(yield* untils, [])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )
})
