import { Outbox, Scheduler } from "@effect-eventbus/sql"
import { assert, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Schema } from "effect"
import { EventBus, FailurePolicy, Handler, PublishError, Request, Subscription } from "effect-eventbus"
import { SqlClient } from "effect/sql"
import { eventually } from "../support/eventually.ts"
import { collect, layer, Paid, relay } from "./support/Harness.ts"
import { onEach } from "./support/onEach.ts"

class Declined extends Schema.TaggedError<Declined>()("Declined", { code: Schema.String }) {}

const Charge = Request.make("card.charge", {
  payload: Schema.Struct({ cents: Schema.Int }),
  success: Schema.Struct({ receipt: Schema.String }),
  error: Declined
})

onEach("The bus of the outbox", ({ fresh }) => {
  it.live("publishes what a handler publishes there, and rolls it back with its data", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* relay()
      // Knows of no outbox.
      const work = (n: number) =>
        Effect.gen(function* () {
          const bus = yield* EventBus.EventBus
          yield* bus.publish(yield* Paid.event({ n }))
          yield* bus.publishAll([yield* Paid.event({ n: n + 1 }), yield* Paid.event({ n: n + 2 })])
          if (n === 10) return yield* Effect.fail("no")
        }).pipe(Effect.provide(Outbox.layerBus))
      yield* Effect.exit(sql.withTransaction(work(10)))
      yield* sql.withTransaction(work(20))
      yield* all.until(3)
      assert.sameMembers(all.numbers(), [20, 21, 22])
      const error = yield* Effect.flip(work(30))
      assert(error instanceof PublishError.PublishError)
      assert.strictEqual(error.reason._tag, "Refused")
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("sends a request at once, amid the transaction that waits for the reply", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const below = yield* EventBus.EventBus
      const cards = Subscription.make("cards", { events: [Charge] })
      yield* below.subscribe(
        Request.handle(cards, Charge, ({ payload: { cents } }) =>
          cents > 100 ? Effect.fail(new Declined({ code: "limit" })) : Effect.succeed({ receipt: `r-${cents}` })
        )
      )
      const call = (cents: number) => Request.call(Charge, { cents }, { timeout: "100 seconds" })
      const [reply, error] = yield* sql.withTransaction(
        Effect.provide(Effect.all([call(1), Effect.flip(call(1000))]), Outbox.layerBus)
      )
      assert.deepStrictEqual(reply, { receipt: "r-1" })
      assert(error._tag === "Declined")
      assert.strictEqual((yield* Outbox.stats).waiting, 0)
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("keeps when a delayed event was due, so that its time to live counts from then, also for a retry", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const below = yield* EventBus.EventBus
      const dues: Array<number | undefined> = []
      const handled = yield* Deferred.make<void>()
      const subscription = Subscription.make("reminders", { events: [Paid] })
      const handler = Handler.make(subscription, (_, { attempt, envelope }) => {
        dues.push(envelope.dueAt)
        return attempt === 1 ? Effect.fail("not yet") : Deferred.succeed(handled, undefined)
      })
      yield* below.subscribe(handler.pipe(Handler.onFailure(FailurePolicy.retryUpToMax)))
      // Written an hour ago, to live for a minute.
      const now = yield* DateTime.now
      const event = yield* Paid.event({ n: 1 }, { ttlSeconds: 60, timestamp: DateTime.subtract(now, { hours: 1 }) })
      const publish = Effect.flatMap(EventBus.EventBus, (bus) => bus.publish(event, { delay: "50 millis" }))
      yield* sql.withTransaction(Effect.provide(publish, Outbox.layerBus))
      const [scheduled] = yield* Scheduler.list()
      assert.isDefined(scheduled)
      yield* relay()
      yield* Deferred.await(handled)
      const due = scheduled?.due.getTime()
      assert.deepStrictEqual(dues, [due, due])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )

  it.live("takes a time that has passed for no delay: the time to live counts from the publish", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const all = yield* collect()
      yield* relay()
      const publish = Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        yield* bus.publish(yield* Paid.event({ n: 1 }, { ttlSeconds: 600 }), { deliverAt: new Date(0) })
      })
      yield* sql.withTransaction(Effect.provide(publish, Outbox.layerBus))
      yield* all.until(1)
      yield* eventually(
        "the outbox is empty",
        Effect.map(Outbox.stats, ({ waiting }) => waiting === 0)
      )
      assert.deepStrictEqual(all.numbers(), [1])
    }).pipe(Effect.scoped, Effect.provide(layer(fresh)))
  )
})
