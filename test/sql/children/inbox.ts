import { AmqpBroker } from "@effect-eventbus/amqp"
import { Inbox, Tables } from "@effect-eventbus/sql"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { EventBus, Handler, Settlement, Subscription } from "effect-eventbus"
import type { Event } from "effect-eventbus"
import { SqlClient } from "effect/sql"
import * as Database from "../support/Database.ts"
import { Paid } from "../support/Harness.ts"
import { parameters } from "./Child.ts"

const { amqp, database, exchange, queue } = parameters()

/** Puts an event back whose handling failed, since its connection was cut. */
const again =
  <Ev extends Event.Event, E, R>(handle: Handler.Handle<Ev, E, R>): Handler.Handle<Ev, never, R> =>
  (delivery) =>
    Effect.catch(handle(delivery), () => Effect.delay(Effect.succeed(Settlement.requeue), "100 millis"))

const handler = Handler.make(Subscription.make(queue, { events: [Paid], concurrency: 16 }), ({ payload }) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO ledger ${sql.insert({ n: payload.n })}`)
).pipe(Inbox.once(), Handler.around(again))

const App = EventBus.subscriber(handler).pipe(
  Layer.provide(Inbox.layer),
  Layer.provide(Tables.layer()),
  Layer.provide(Database.client(database, { applicationName: exchange })),
  Layer.provide(EventBus.layer),
  Layer.provide(AmqpBroker.layer({ url: Redacted.make(amqp), exchange }))
)

// A connection that is cut while it starts ends the program, which a supervisor starts again.
await Effect.runPromise(Effect.retry(Layer.launch(App), Schedule.spaced("100 millis")))
