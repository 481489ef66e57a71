/** The ground of all sections: the sample event, the tables, and what fills and empties them. */
import * as Outbox from "@effect-eventbus/sql/Outbox"
import * as EventType from "effect-eventbus/EventType"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

export const Sample = EventType.make("bench.sample", { payload: Schema.Struct({ n: Schema.Int, pad: Schema.String }) })

export const pad = "x".repeat(300)

export interface Options {
  readonly rounds: number
  readonly events: number
  readonly backlog: number
}

export const sampleEvents = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    (n) => Sample.event({ n, pad })
  )

/** Waits until nothing waits in a table, with a question that costs the database next to nothing. */
const drained = Effect.fnUntraced(function* (table: string) {
  const sql = yield* SqlClient.SqlClient
  while ((yield* sql`SELECT 1 AS one FROM ${sql(table)} WHERE seq > 0 LIMIT 1`).length > 0) yield* Effect.sleep(2)
})

/** Runs a relay until the table is empty. */
export const relayAll = (table = "eventbus_outbox") =>
  Effect.scoped(Effect.andThen(Layer.build(Layer.fresh(Outbox.layerRelay())), drained(table)))
