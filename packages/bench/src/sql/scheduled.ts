/** A relay beside a million scheduled events, and one without them: two sets of tables in one database. */
import * as Outbox from "@effect-eventbus/sql/Outbox"
import * as Tables from "@effect-eventbus/sql/Tables"
import * as EventBus from "effect-eventbus/EventBus"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { relayAll, sampleEvents } from "./Bench.ts"
import type { Options, Place } from "./Bench.ts"
import * as Rounds from "./Rounds.ts"

export const scheduled = Effect.fnUntraced(function* ({ rounds, events: count }: Options, { queue }: Place) {
  yield* Console.log("\nA relay beside 1,000,000 scheduled events")
  const sql = yield* SqlClient.SqlClient
  const bus = yield* EventBus.EventBus
  const events = yield* sampleEvents(count)
  const prefix = "full_"
  const Full = Outbox.layer().pipe(Layer.provideMerge(Tables.layerMigrated({ prefix })))
  const full = yield* Layer.build(Layer.fresh(Full))
  yield* sql`
    INSERT INTO full_outbox (seq, event_id, event_type, headers, body, due_ms)
    SELECT -n, 'later-' || n, 'later', '{}', '{}', 4102444800000 + n FROM generate_series(1, 1000000) AS n`
  // Otherwise the database would do so amid the rounds.
  yield* sql`VACUUM ANALYZE full_outbox`
  const prepare = Effect.andThen(bus.purge(queue), sql.withTransaction(Outbox.publishAll(events)))
  const without = "a relay without scheduled events"
  const beside = "a relay beside 1,000,000 scheduled events"
  const rates = yield* Rounds.interleaved({ rounds, units: count }, [
    { name: without, prepare, run: relayAll(count) },
    {
      name: beside,
      prepare: Effect.provideContext(prepare, full),
      run: Effect.updateContext(relayAll(count), (context) => Context.merge(context, full))
    }
  ])
  yield* Rounds.compare(rates, beside, without, "at least 0.9")
})
