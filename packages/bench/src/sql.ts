/**
 * The numbers of @effect-eventbus/sql: `npm run bench:sql -- [--only relaying,transactions,scheduled,latency,backlog]
 * [--rounds N] [--events N] [--backlog N]`. Every variant runs in every round, on RabbitMQ and PostgreSQL.
 */
import { randomBytes } from "node:crypto"
import { parseArgs } from "node:util"
import * as AmqpBroker from "@effect-eventbus/amqp/AmqpBroker"
import * as Inbox from "@effect-eventbus/sql/Inbox"
import * as Outbox from "@effect-eventbus/sql/Outbox"
import * as Tables from "@effect-eventbus/sql/Tables"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as EventBus from "effect-eventbus/EventBus"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import * as PostgresNode from "../../../test/support/PostgresNode.ts"
import * as TestBroker from "../../../test/support/TestBroker.ts"
import * as BenchTopology from "./BenchTopology.ts"
import * as Scenario from "./Scenario.ts"
import { backlog } from "./sql/backlog.ts"
import { latency } from "./sql/latency.ts"
import { relaying } from "./sql/relaying.ts"
import { scheduled } from "./sql/scheduled.ts"
import { transactions } from "./sql/transactions.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "relaying,transactions,scheduled,latency,backlog" },
    rounds: { type: "string", default: "5" },
    events: { type: "string", default: "10000" },
    backlog: { type: "string", default: "1000000" }
  }
})
const options = { rounds: Number(values.rounds), events: Number(values.events), backlog: Number(values.backlog) }
const sections = new Set(values.only.split(","))

const broker = await TestBroker.start()
if (broker === undefined) throw new Error("The bench needs a RabbitMQ")
const given = process.env["TEST_POSTGRES_URL"]
const postgres = given ? { url: given, stop: async () => {} } : await PostgresNode.start({ isDurable: true })

const schema = `bench_${randomBytes(6).toString("hex")}`
const scenario = Scenario.all.find(({ name }) => name === "publish")
if (scenario === undefined) throw new Error("There is no scenario named publish")
const topology = BenchTopology.plan(broker.url, scenario)
const [queue] = topology.queues
if (queue === undefined) throw new Error("The scenario has no queue")
const place = { url: postgres.url, schema, queue: queue.name }
const pool = (startupParameters: Readonly<Record<string, string>>) =>
  PgClient.layer({ url: Redacted.make(postgres.url), maxConnections: 20, startupParameters })

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE orders (id text PRIMARY KEY, n integer NOT NULL)`
  yield* sql`CREATE TABLE stock (id integer PRIMARY KEY, n integer NOT NULL)`
  yield* sql`INSERT INTO stock SELECT id, 0 FROM generate_series(0, 999) AS id`
  yield* sql`CREATE TABLE notes (id text PRIMARY KEY, text text NOT NULL)`
  if (sections.has("relaying")) yield* relaying(options, place)
  if (sections.has("transactions")) yield* transactions(options)
  if (sections.has("scheduled")) yield* scheduled(options, place)
  if (sections.has("latency")) yield* latency(options)
  if (sections.has("backlog")) yield* backlog(options, place)
})

const App = Layer.mergeAll(Outbox.layer(), Inbox.layer).pipe(
  Layer.provideMerge(Tables.layerMigrated()),
  Layer.provideMerge(PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreSql({ pollInterval: 50 })))),
  Layer.provideMerge(pool({ search_path: schema })),
  Layer.provideMerge(EventBus.layer),
  Layer.provideMerge(AmqpBroker.layer(topology.options))
)

const inDatabase = (run: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>) =>
  Effect.runPromise(Effect.provide(Effect.flatMap(SqlClient.SqlClient, run), pool({})))

try {
  await BenchTopology.make(topology, scenario)
  await inDatabase((sql) => sql`CREATE SCHEMA ${sql(schema)}`)
  await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(App)))
} finally {
  const schemas = [schema, `${schema}_graphile`, `${schema}_plain`, `${schema}_pgboss`]
  await inDatabase((sql) =>
    Effect.forEach(schemas, (name) => sql`DROP SCHEMA IF EXISTS ${sql(name)} CASCADE`, { discard: true })
  )
  await BenchTopology.remove(topology)
  await broker.stop()
  await postgres.stop()
}
