import { Inbox, NodeSqlite, Outbox, Tables } from "@effect-eventbus/sql"
import { PgClient } from "@effect/sql-pg"
import { Console, Deferred, Effect, Layer, Redacted, Schema } from "effect"
import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
import { SqlClient } from "effect/sql"

const OrderPlaced = EventType.make("order.placed", {
  payload: Schema.Struct({ orderId: Schema.String, cents: Schema.Int })
})
const OrderBilled = EventType.make("order.billed", { payload: Schema.Struct({ orderId: Schema.String }) })

// Writes and publishes: both, or neither.
const place = Effect.fn("place")(function* (orderId: string, cents: number) {
  const sql = yield* SqlClient.SqlClient
  const placed = yield* OrderPlaced.event({ orderId, cents })
  yield* sql.withTransaction(
    Effect.andThen(
      sql`INSERT INTO shop_orders ${sql.insert({ id: orderId, cents })}`,
      Outbox.publish(placed, { key: orderId })
    )
  )
  yield* Console.log(`${orderId} is placed: the order and its event are committed`)
})

// Consumes, writes and publishes, in one commit.
const billing = Handler.make(Subscription.make("billing", { events: [OrderPlaced] }), ({ payload }) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`INSERT INTO shop_bills ${sql.insert({ order_id: payload.orderId, cents: payload.cents })}`
    yield* Outbox.publish(yield* OrderBilled.event({ orderId: payload.orderId }), { key: payload.orderId })
  })
).pipe(
  Inbox.once({ keep: "7 days" }),
  Handler.onFailure(
    FailurePolicy.tags({
      SqlError: FailurePolicy.retryUpToMax,
      PublishError: FailurePolicy.deadLetter,
      NoTransaction: FailurePolicy.deadLetter
    })
  )
)

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const bus = yield* EventBus.EventBus
  yield* sql`CREATE TABLE IF NOT EXISTS shop_orders (id TEXT PRIMARY KEY, cents INTEGER NOT NULL)`
  yield* sql`CREATE TABLE IF NOT EXISTS shop_bills (order_id TEXT NOT NULL, cents INTEGER NOT NULL)`
  const billed = yield* Deferred.make<void>()
  yield* bus.subscribe(billing)
  yield* bus.subscribe(
    Handler.make(Subscription.make("post", { events: [OrderBilled] }), ({ payload }) =>
      Effect.andThen(Console.log(`${payload.orderId} is billed`), Deferred.succeed(billed, undefined))
    )
  )
  const orderId = `o-${crypto.randomUUID().slice(0, 8)}`
  yield* place(orderId, 1200)
  yield* Deferred.await(billed)
  const bills = yield* sql`SELECT cents FROM shop_bills WHERE order_id = ${orderId}`
  yield* Console.log(`${orderId} has ${bills.length} bill in the database`)
})

const url = process.env["TEST_POSTGRES_URL"]
const Sql = url
  ? PgClient.layer({ url: Redacted.make(url) })
  : NodeSqlite.layer({ filename: process.env["SQLITE_FILE"] ?? ":memory:" })

const Bus = EventBus.layer.pipe(Layer.provideMerge(MemoryBroker.layer()))
const App = Outbox.layerRelay().pipe(
  Layer.provideMerge(Layer.merge(Outbox.layer(), Inbox.layer)),
  Layer.provideMerge(Tables.layerMigrated()),
  Layer.provideMerge(Layer.merge(Sql, Bus))
)

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(App)))
