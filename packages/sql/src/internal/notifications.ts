/**
 * PostgreSQL's NOTIFY and LISTEN, by which a commit wakes the relays of other processes.
 *
 * They are a hint: a pooler may swallow them, and a connection may be lost. The relay
 * looks at the table in any case.
 *
 * @internal
 */

import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { Tables } from "../Tables.ts"
import type { Bell } from "./Bell.ts"

/** The part of a client of PostgreSQL that listens. No other client has it. */
interface Listener {
  readonly listen: (channel: string) => Effect.Effect<Queue.Dequeue<unknown, SqlError>, SqlError, Scope.Scope>
}

const isListener = (client: unknown): client is Listener =>
  Predicate.hasProperty(client, "listen") && typeof client.listen === "function"

/** The longest name of a channel, in bytes. */
const longestName = 63

const channelOf = ({ names }: Tables["Service"]): string => {
  const name = names.of("outbox").replace(".", "_")
  if (name.length <= longestName) return name
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 16)
  return `${name.slice(0, longestName - hash.length - 1)}_${hash}`
}

/** NOTIFY takes a lock that all transactions share, so it is not part of them, and comes at most this often. */
const atMostEvery = 20

/** Returns a function that notifies other processes soon. */
export const sender = Effect.fnUntraced(function* (
  tables: Tables["Service"]
): Effect.fn.Return<() => void, never, Scope.Scope> {
  const { dialect, sql } = tables
  if (dialect !== "postgres") return () => {}
  const asked = yield* Queue.sliding<void>(1)
  const notify = Effect.ignore(sql`SELECT pg_notify(${channelOf(tables)}, '')`)
  yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(Queue.take(asked), Effect.andThen(notify, Effect.sleep(atMostEvery))))
  )
  return () => void Queue.offerUnsafe(asked, undefined)
})

/** Rings the bell for the notifications of other processes. */
export const receive = Effect.fnUntraced(function* (
  tables: Tables["Service"],
  bell: Bell
): Effect.fn.Return<void, never, Scope.Scope> {
  const { dialect, sql } = tables
  if (dialect !== "postgres" || !isListener(sql)) return
  const listener: Listener = sql
  const once = Effect.scoped(
    Effect.gen(function* () {
      const notifications = yield* listener.listen(channelOf(tables))
      // For those that came before.
      bell.ring()
      return yield* Effect.forever(Effect.tap(Queue.take(notifications), () => Effect.sync(() => bell.ring())))
    })
  )
  const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")])
  yield* Effect.forkScoped(Effect.ignore(Effect.retry(once, again)))
})
