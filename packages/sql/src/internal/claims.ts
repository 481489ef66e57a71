/**
 * Claims of a relay: the rows that it alone may publish, and the end of the claim.
 *
 * On PostgreSQL a claim is a transaction with locked rows, which other relays pass over.
 * If the relay dies, the database gives the rows back at once, and after ten seconds if it is suspended. SQLite has one writer at
 * a time, so a claim there must not be a transaction: everyone would wait for the
 * broker. It is a lease, which one relay has at a time.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { BeginTransaction } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Tables } from "../Tables.ts"
import * as Chains from "./chains.ts"
import * as Dialect from "./Dialect.ts"
import type { ClaimedRow } from "./OutboxRow.ts"
import * as Transaction from "./transaction.ts"

/** The verdicts on the rows of a claim. Rows without one stay as they are. */
export interface Verdicts {
  /** The rows whose events are safe. */
  readonly published: ReadonlyArray<number>
  /** The rows that the broker refused for good. */
  readonly refused: ReadonlyArray<{ readonly row: ClaimedRow; readonly reason: string }>
  /** The rows whose key has a parked event, behind which they go. */
  readonly behind: ReadonlyArray<ClaimedRow>
}

export interface Request {
  readonly limit: number
  /** The keys, and the rows without a key, that must not be claimed yet. */
  readonly held: { readonly keys: ReadonlyArray<string>; readonly rows: ReadonlyArray<number> }
  /** Publishes rows, in the order of each key. */
  readonly publish: (rows: ReadonlyArray<ClaimedRow>) => Effect.Effect<Verdicts>
}

export interface Claims {
  /** The number of claims that help a relay at once. */
  readonly parallel: number
  /** Claims rows, has them published, and ends the claim. Returns the number of rows that were published or parked. */
  readonly claim: (request: Request) => Effect.Effect<{ readonly claimed: number; readonly ended: number }, SqlError>
  readonly bodyOf: (seq: number) => Effect.Effect<Uint8Array | undefined, SqlError>
  /** Gives up the lease, so that another relay need not wait for its end. */
  readonly release: Effect.Effect<void, SqlError>
}

/** Larger bodies are read one by one, which bounds the memory of a claim. */
const inlineBytes = 65_536
/** The longest time for which rows may wait that committed later than those behind them. */
const longestLook = 1_000
/** A claim is over then, whatever has become of its relay. */
const leaseMillis = 10_000
/** The relay publishes for less than the rest of a lease that is this old. */
const renewAfterMillis = 3_000

interface OtherRow {
  readonly key: string
  /** The first row of the key that is not in the claim, or null for a parked one. */
  readonly seq: number | null
}

export const make = Effect.fnUntraced(function* (tables: Tables["Service"]): Effect.fn.Return<Claims> {
  const { names, sql } = tables
  const { forShare, isAny, isNone, isPostgres, now, number, skipLocked } = Dialect.of(tables)
  const outbox = sql(names.of("outbox"))
  const parked = sql(names.of("parked"))
  const lease = sql(names.of("lease"))
  const owner = crypto.randomUUID()
  let leasedAt: number | undefined
  const run = Transaction.run(sql)
  // That of the application may be stricter: then a claim would fail, once its events are published, and publish them again.
  const begin = isPostgres ? "BEGIN ISOLATION LEVEL READ COMMITTED" : undefined
  const inTransaction: typeof run = (effect) => Effect.provideService(run(effect), BeginTransaction, begin)

  /** A relay that was suspended, or whose host is gone, must not keep its rows from the others. The setting goes with the transaction. */
  const bounded = sql.literal(
    isPostgres
      ? `AND (SELECT set_config('idle_in_transaction_session_timeout', '${leaseMillis}', true)) IS NOT NULL`
      : ""
  )

  const select = ({ held, limit }: Request, from = 0): Effect.Effect<ReadonlyArray<ClaimedRow>, SqlError> => {
    const keys = held.keys.length === 0 ? sql`` : sql`AND (o.key IS NULL OR ${isNone("o.key", held.keys)})`
    const rows = held.rows.length === 0 ? sql`` : sql`AND ${isNone("o.seq", held.rows)}`
    return sql<ClaimedRow>`
      SELECT ${number("o.seq")} AS seq, o.event_id, o.event_type, o.key, o.headers,
        CASE WHEN length(o.body) <= ${sql.literal(`${inlineBytes}`)} THEN o.body END AS body
      FROM ${outbox} AS o WHERE o.seq > 0 AND o.seq > ${from} ${keys} ${rows} ${bounded} ORDER BY o.seq LIMIT ${limit} ${skipLocked}`
  }

  /**
   * Leaves out the rows whose key has an earlier row in the claim of another relay, and finds those whose key is parked.
   * An earlier row that is not there any more is published, since the lock of the key lets no row come in between.
   */
  const divide = Effect.fnUntraced(function* (rows: ReadonlyArray<ClaimedRow>) {
    const keys = [...new Set(rows.flatMap(({ key }) => (key === null ? [] : [key])))]
    if (keys.length === 0) return { ready: rows, behind: [] }
    const claimed = rows.map(({ seq }) => seq)
    const others = yield* sql<OtherRow>`
      SELECT o.key AS key, ${number("min(o.seq)")} AS seq FROM ${outbox} AS o
      WHERE ${isAny("o.key", keys)} AND o.seq > 0 AND o.seq < ${Math.max(...claimed)} AND ${isNone("o.seq", claimed)}
      GROUP BY o.key
      UNION ALL
      SELECT DISTINCT p.key AS key, ${sql.literal(isPostgres ? "NULL::float8" : "NULL")} AS seq
      FROM ${parked} AS p WHERE ${isAny("p.key", keys)}`
    const isParked = new Set(others.filter(({ seq }) => seq === null).map(({ key }) => key))
    const firsts = new Map(others.flatMap(({ key, seq }) => (seq === null ? [] : [[key, seq] as const])))
    const mine = rows.filter(({ key, seq }) => key === null || seq < (firsts.get(key) ?? Number.POSITIVE_INFINITY))
    return {
      ready: mine.filter(({ key }) => key === null || !isParked.has(key)),
      behind: mine.filter(({ key }) => key !== null && isParked.has(key))
    }
  })

  const park = (rows: ReadonlyArray<ClaimedRow>, reason: string) => {
    const seqs = rows.map(({ seq }) => seq)
    const columns = sql.literal("seq, event_id, event_type, key, headers, body, since_ms")
    return Effect.andThen(
      sql`INSERT INTO ${parked} (${columns}, reason)
        SELECT ${columns}, ${reason} FROM ${outbox} WHERE ${isAny("seq", seqs)}`,
      remove(seqs)
    )
  }

  /**
   * A claim need not wait until its end is on the disk: if the database loses that in a crash, it is as if the relay had
   * died, and its events are published again. The setting goes with the transaction.
   */
  const soon = sql.literal(isPostgres ? "AND (SELECT set_config('synchronous_commit', 'off', true)) = 'off'" : "")

  const remove = (seqs: ReadonlyArray<number>) => sql`DELETE FROM ${outbox} WHERE ${isAny("seq", seqs)} ${soon}`

  /** Parks rows behind their key, unless an operator has just put that back: the lock tells. */
  const parkBehind = Effect.fnUntraced(function* (rows: ReadonlyArray<ClaimedRow>) {
    let count = 0
    for (const followers of Chains.of(rows)) {
      const key = followers[0]?.key ?? null
      const [first] = yield* sql<{ event_id: string }>`
        SELECT event_id FROM ${parked} WHERE key = ${key} ORDER BY seq LIMIT 1 ${forShare}`
      if (first === undefined) continue
      yield* park(followers, `behind ${first.event_id}, which has the same key`)
      count += followers.length
    }
    return count
  })

  const settle = Effect.fnUntraced(function* ({ behind, published, refused }: Verdicts) {
    if (published.length > 0) yield* remove(published)
    for (const { reason, row } of refused) yield* park([row], reason)
    const followers = behind.length === 0 ? 0 : yield* parkBehind(behind)
    return published.length + refused.length + followers
  })

  const publish = Effect.fnUntraced(function* (request: Request, rows: ReadonlyArray<ClaimedRow>) {
    const { behind, ready } = yield* divide(rows)
    const verdicts = ready.length === 0 ? undefined : yield* request.publish(ready)
    return {
      published: verdicts?.published ?? [],
      refused: verdicts?.refused ?? [],
      behind: [...behind, ...(verdicts?.behind ?? [])]
    }
  })

  const clock = yield* Clock.Clock
  const millis = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  let from = 0
  let lookAt = 0

  /** Looks at all rows. A look that takes long comes seldom: it may take a tenth of the time. */
  const selectAll = Effect.fnUntraced(function* (request: Request) {
    const start = millis()
    const rows = yield* select(request)
    const end = millis()
    lookAt = end + Math.min(10 * (end - start), longestLook)
    return rows
  })

  /**
   * Begins where the last claim did. While a transaction is open that began before, the database keeps all that was deleted
   * since, and a look from the first row on would pass over more and more of it.
   */
  const selectOn = Effect.fnUntraced(function* (request: Request) {
    const next = millis() < lookAt ? yield* select(request, from) : []
    const rows = next.length > 0 ? next : yield* selectAll(request)
    from = (rows[0]?.seq ?? 1) - 1
    return rows
  })

  // Stopping amid a publish would make duplicates. It is bounded, so the end of the scope waits for it.
  const locked: Claims["claim"] = (request) =>
    Effect.uninterruptibleMask((restore) =>
      inTransaction(
        Effect.gen(function* () {
          const rows = yield* restore(selectOn(request))
          if (rows.length === 0) return { claimed: 0, ended: 0 }
          return { claimed: rows.length, ended: yield* settle(yield* publish(request, rows)) }
        })
      )
    )

  const hasLease = Effect.gen(function* () {
    const at = millis()
    if (leasedAt !== undefined && at - leasedAt < renewAfterMillis) return true
    const [found] = yield* sql`
      INSERT INTO ${lease} (id, owner, until_ms) VALUES (1, ${owner}, ${sql.literal(now)} + ${leaseMillis})
      ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, until_ms = excluded.until_ms
      WHERE ${sql.literal(`${names.quoted("lease")}.owner = excluded.owner OR ${names.quoted("lease")}.until_ms < ${now}`)}
      RETURNING owner`
    leasedAt = found === undefined ? undefined : at
    return found !== undefined
  })

  const leased: Claims["claim"] = (request) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const waiting = yield* restore(sql`SELECT 1 AS found FROM ${outbox} WHERE seq > 0 LIMIT 1`)
        if (waiting.length === 0 || !(yield* hasLease)) return { claimed: 0, ended: 0 }
        const rows = yield* select(request)
        if (rows.length === 0) return { claimed: 0, ended: 0 }
        const verdicts = yield* publish(request, rows)
        return { claimed: rows.length, ended: yield* inTransaction(settle(verdicts)) }
      })
    )

  return {
    // While one claim waits for the broker, the other uses the database.
    parallel: isPostgres ? 2 : 1,
    claim: isPostgres ? locked : leased,
    bodyOf: (seq) =>
      Effect.map(
        sql<{ body: Uint8Array }>`SELECT body FROM ${outbox} WHERE seq = ${seq}`,
        ([row]): Uint8Array | undefined => row?.body
      ),
    release: isPostgres ? Effect.void : Effect.asVoid(sql`DELETE FROM ${lease} WHERE owner = ${owner}`)
  }
})
