/** A full outbox, emptied by a relay, by a bus without an outbox, and by what else could be one. */
import * as Outbox from "@effect-eventbus/sql/Outbox"
import type * as Tables from "@effect-eventbus/sql/Tables"
import * as Broker from "effect-eventbus/Broker"
import * as EventBus from "effect-eventbus/EventBus"
import * as EventCodec from "effect-eventbus/EventCodec"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { SampleEvent } from "../SampleEvent.ts"
import { relayAll, sampleEvents } from "./Bench.ts"
import type { Options, Place } from "./Bench.ts"
import * as Jobs from "./jobs.ts"
import * as Rounds from "./Rounds.ts"

type Needs = Broker.Broker | Outbox.Outbox | SqlClient.SqlClient | Tables.Tables
type Variant = Rounds.Variant<unknown, Needs>

const Body = Schema.Struct({ body: Schema.String })

export const relaying = Effect.fnUntraced(function* ({ rounds, events: count }: Options, place: Place) {
  yield* Console.log(`\nRelaying ${count} events`)
  const sql = yield* SqlClient.SqlClient
  const bus = yield* EventBus.EventBus
  const broker = yield* Broker.Broker
  const events = yield* sampleEvents(count)
  const [first] = events
  if (first === undefined) return
  const envelope = yield* Effect.fromResult(
    EventCodec.toEnvelope(first, { routingKey: `${SampleEvent.name}.normal`, persistent: true, traceparent: undefined })
  )
  const encoder = new TextEncoder()
  const publish = (body: string) => broker.publish({ ...envelope, body: encoder.encode(body) })
  const decoder = new TextDecoder()
  const bodies = yield* Effect.forEach(events, (event) =>
    Effect.map(Effect.fromResult(EventCodec.encode(event)), (body) => decoder.decode(body))
  )

  const queue = yield* PersistedQueue.make({ name: "bench", schema: Body })
  const offer = Effect.forEach(bodies, (body) => queue.offer({ body }), { concurrency: 16, discard: true })
  let left = 0
  const takeAll = Effect.suspend(() => {
    left = count
    const take = queue.take(({ body }) => publish(body))
    const taker = Effect.whileLoop({ while: () => left-- > 0, body: () => take, step: () => {} })
    return Effect.replicateEffect(taker, 64, { concurrency: "unbounded", discard: true })
  })

  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  const jobs = { url: place.url, bodies, publish: (body: string) => run(publish(body)) }
  const graphile = yield* Jobs.graphile({ ...jobs, schema: `${place.schema}_graphile` }, "fastest")
  const some = bodies.slice(0, Math.ceil(count / 5))
  const plain = yield* Jobs.graphile({ ...jobs, bodies: some, schema: `${place.schema}_plain` }, "defaults")
  const pgBoss = yield* Jobs.pgBoss({ ...jobs, schema: `${place.schema}_pgboss` })

  const relay = "a relay of a full outbox"
  const direct = "bus.publishAll, without an outbox"
  const persisted = "Effect's PersistedQueue, 64 takers"
  const worker = "graphile-worker, 64 jobs at once"
  const asItComes = "graphile-worker, with its defaults"
  const boss = "pg-boss, two batches of 200 at once"
  const measured = (variants: ReadonlyArray<Variant>) =>
    Rounds.interleaved<unknown, Needs>(
      { rounds, units: count },
      variants.map(({ prepare = Effect.void, ...variant }) => ({
        ...variant,
        prepare: Effect.andThen(bus.purge(place.queue), prepare)
      }))
    )
  const relayed = { name: relay, prepare: sql.withTransaction(Outbox.publishAll(events)), run: relayAll(count) }
  // Before the others: what they delete keeps the database busy for a while.
  const pair = yield* measured([{ name: direct, run: bus.publishAll(events) }, relayed])
  yield* Rounds.compare(pair, relay, direct, "at least 0.9")
  const rates = yield* measured([
    relayed,
    { name: persisted, prepare: offer, run: takeAll },
    { name: worker, prepare: graphile.fill, run: graphile.work },
    { name: asItComes, prepare: plain.fill, run: plain.work, units: some.length },
    { name: boss, prepare: pgBoss.fill, run: pgBoss.work }
  ])
  yield* Rounds.compare(rates, relay, persisted, "at least 4")
  yield* Rounds.compare(rates, relay, asItComes, "at least 10")
  yield* Rounds.compare(rates, relay, worker, "set for the most jobs a second")
  yield* Rounds.compare(rates, relay, boss, "set for the most jobs a second")
})
