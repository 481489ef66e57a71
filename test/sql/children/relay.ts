import { AmqpBroker } from "@effect-eventbus/amqp"
import { Outbox, Tables } from "@effect-eventbus/sql"
import { Effect, Layer, Redacted } from "effect"
import * as Database from "../support/Database.ts"
import { parameters } from "./Child.ts"

const { amqp, batch, database, exchange } = parameters()

const App = Outbox.layerRelay({ batch, poll: "50 millis" }).pipe(
  Layer.provide(Outbox.layer()),
  Layer.provide(Tables.layer()),
  Layer.provide(Database.client(database, { applicationName: exchange })),
  Layer.provide(AmqpBroker.layer({ url: Redacted.make(amqp), exchange }))
)

await Effect.runPromise(Layer.launch(App))
