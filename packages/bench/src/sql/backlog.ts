/** A long backlog, emptied by one relay: the rate of each tenth. */
import * as Outbox from "@effect-eventbus/sql/Outbox"
import * as EventBus from "effect-eventbus/EventBus"
import * as Handler from "effect-eventbus/Handler"
import * as Subscription from "effect-eventbus/Subscription"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { SampleEvent } from "../SampleEvent.ts"
import { sampleEvents } from "./Bench.ts"
import type { Options, Place } from "./Bench.ts"

export const backlog = Effect.fnUntraced(function* ({ backlog: count }: Options, { queue }: Place) {
  yield* Console.log(`\nA backlog of ${count} events`)
  const sql = yield* SqlClient.SqlClient
  const bus = yield* EventBus.EventBus
  // There are too many to keep.
  yield* bus.subscribe(Handler.make(Subscription.make(queue, { events: [SampleEvent] }), () => Effect.void))
  yield* sql`TRUNCATE eventbus_outbox RESTART IDENTITY`
  yield* sql.withTransaction(Outbox.publishAll(yield* sampleEvents(1)))
  yield* sql`
    INSERT INTO eventbus_outbox (event_id, event_type, headers, body)
    SELECT gen_random_uuid()::text, event_type, headers, body FROM eventbus_outbox, generate_series(2, ${count}::integer)`
  yield* sql`ANALYZE eventbus_outbox`
  const tenths: Array<number> = []
  const drain = Effect.gen(function* () {
    yield* Layer.build(Layer.fresh(Outbox.layerRelay()))
    let since = performance.now()
    while (tenths.length < 10) {
      yield* Effect.sleep(50)
      const [row] = yield* sql<{ seq: number }>`
        SELECT seq::float8 FROM eventbus_outbox WHERE seq > 0 ORDER BY seq LIMIT 1`
      const done = (row?.seq ?? count + 1) - 1
      if (done < ((tenths.length + 1) * count) / 10) continue
      const now = performance.now()
      tenths.push((count / 10 / (now - since)) * 1000)
      since = now
      yield* Console.log(`${`tenth ${tenths.length}`.padEnd(52)} ${tenths.at(-1)?.toFixed(0).padStart(7)} /s`)
    }
  })
  yield* Effect.scoped(drain)
  yield* sql`VACUUM eventbus_outbox`
  const [size] = yield* sql<{ bytes: number }>`SELECT pg_total_relation_size('eventbus_outbox')::float8 AS bytes`
  const [first = Number.NaN] = tenths
  yield* Console.log(`  the last tenth : the first = ${((tenths.at(-1) ?? Number.NaN) / first).toFixed(2)} (constant)`)
  yield* Console.log(`  the table afterwards: ${((size?.bytes ?? 0) / 1024).toFixed(0)} KiB`)
})
