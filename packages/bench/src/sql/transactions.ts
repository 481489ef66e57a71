/** Transactions of the application: an order alone, with an event, and with the key of an inbox. */
import { randomBytes, randomInt, randomUUID } from "node:crypto"
import * as Inbox from "@effect-eventbus/sql/Inbox"
import * as Outbox from "@effect-eventbus/sql/Outbox"
import type * as Event from "effect-eventbus/Event"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { sampleEvents } from "./Bench.ts"
import type { Options } from "./Bench.ts"
import * as Rounds from "./Rounds.ts"

export const transactions = Effect.fnUntraced(function* ({ rounds, events: count }: Options) {
  yield* Console.log("\nTransactions, 16 at once")
  const sql = yield* SqlClient.SqlClient
  const inbox = yield* Inbox.Inbox
  const events = yield* sampleEvents(count)

  const each = (also: (event: Event.Event) => Effect.Effect<unknown, unknown, Outbox.Outbox | Inbox.Inbox>) =>
    Effect.suspend(() => {
      const name = randomBytes(4).toString("hex")
      const one = (event: Event.Event, index: number) =>
        sql.withTransaction(
          Effect.andThen(also(event), sql`INSERT INTO orders ${sql.insert({ id: `${name}-${index}`, n: index })}`)
        )
      return Effect.forEach(events, one, { concurrency: 16, discard: true })
    })

  /** Looks at the stock, takes one from it, and writes the order. */
  const sale = (also: (event: Event.Event) => Effect.Effect<unknown, unknown, Outbox.Outbox>) =>
    each((event) => {
      const id = randomInt(1000)
      return Effect.all([
        sql`SELECT n FROM stock WHERE id = ${id}`,
        sql`UPDATE stock SET n = n - 1 WHERE id = ${id}`,
        also(event)
      ])
    })

  const batches = Effect.suspend(() => {
    const name = randomBytes(4).toString("hex")
    const starts = Array.from({ length: Math.ceil(count / 100) }, (_, index) => index * 100)
    const batch = (start: number) =>
      inbox.withTransaction(
        Effect.andThen(
          Inbox.claim(
            "bench",
            Array.from({ length: 100 }, (_, n) => `${name}-${start + n}`)
          ),
          sql`INSERT INTO orders SELECT ${name}::text || n, n FROM generate_series(${start}::integer, ${start + 99}::integer) AS n`
        )
      )
    return Effect.forEach(starts, batch, { concurrency: 4, discard: true })
  })

  // Nothing relays them, and each round finds the table as the first did.
  const prepare = sql`TRUNCATE eventbus_outbox`
  const alone = "an order"
  const event = "an order and an event"
  const sold = "an order that takes from a stock"
  const told = "an order that takes from a stock and an event"
  const keyed = "an order and an event with a key"
  const row = "an order and a row of the same size"
  const once = "an order and the key of an inbox"
  const batched = "the same, 100 in a transaction"
  const pair = yield* Rounds.interleaved({ rounds, units: count }, [
    { name: sold, prepare, run: sale(() => Effect.void) },
    { name: told, prepare, run: sale((event) => Outbox.publish(event)) }
  ])
  yield* Rounds.compare(pair, sold, told, "at most 1.25")
  const rates = yield* Rounds.interleaved({ rounds, units: count }, [
    { name: alone, prepare, run: each(() => Effect.void) },
    { name: event, prepare, run: each((event) => Outbox.publish(event)) },
    { name: keyed, prepare, run: each((event) => Outbox.publish(event, { key: event.eventId })) },
    {
      name: row,
      prepare,
      run: each((event) => sql`INSERT INTO notes ${sql.insert({ id: randomUUID(), text: JSON.stringify(event) })}`)
    },
    { name: once, prepare, run: each(() => Inbox.claim("bench", [randomUUID()])) },
    { name: batched, prepare, run: batches }
  ])
  yield* sql`TRUNCATE eventbus_outbox`
  yield* Rounds.compare(rates, alone, event, "")
  yield* Rounds.compare(rates, alone, keyed, "")
  yield* Rounds.compare(rates, alone, row, "what any second row costs")
  yield* Rounds.compare(rates, once, alone, "at least 0.6")
  yield* Rounds.compare(rates, batched, once, "at least 10")
})
