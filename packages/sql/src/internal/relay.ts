/**
 * Moves events from the outbox to the broker, for as long as its scope is open.
 *
 * @internal
 */

import type * as Broker from "effect-eventbus/Broker"
import type * as PublishError from "effect-eventbus/PublishError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { Bell } from "./Bell.ts"
import * as Causes from "./causes.ts"
import type { Claims } from "./claims.ts"
import type { ClaimedRow } from "./OutboxRow.ts"
import * as PublishRows from "./publishRows.ts"

export interface Options {
  readonly batch: number
  readonly poll: Duration.Duration
  readonly claims: Claims
  readonly bell: Bell
  /** Moves what is due to the rows that are claimed, and returns the time to the next, in milliseconds. */
  readonly promote: Effect.Effect<number, SqlError>
  readonly broker: Broker.Broker["Service"]
}

/** The least that a claim takes, and how much more it takes than the one before it. */
const smallest = 10
const growth = 20
/** The keys and rows that wait alone. Beyond these, the relay waits as a whole. */
const maxHeld = 1_000
const firstWait = 100
const longestWait = 10_000
/** Waiting for rows that another relay has claimed. */
const busyWait = 20

const doubled = (wait: number) => Math.min(wait * 2, longestWait)

/** The rows that were not confirmed, or their keys. They wait alone: their queue may be full, or away, while others are not. */
class Held {
  readonly #until = new Map<string | number, { readonly at: number; readonly wait: number }>()

  /** Returns whether there was room for it. */
  hold(row: ClaimedRow, now: number): boolean {
    const name = row.key ?? row.seq
    const wait = doubled(this.#until.get(name)?.wait ?? firstWait / 2)
    if (this.#until.size >= maxHeld && !this.#until.has(name)) return false
    this.#until.set(name, { at: now + wait, wait })
    return true
  }

  /** Frees what was claimed again, or by another relay. */
  free(rows: ReadonlyArray<ClaimedRow>, now: number): void {
    if (this.#until.size === 0) return
    for (const row of rows) this.#until.delete(row.key ?? row.seq)
    for (const [name, { at }] of this.#until) if (at + 2 * longestWait < now) this.#until.delete(name)
  }

  at(now: number): { readonly keys: ReadonlyArray<string>; readonly rows: ReadonlyArray<number> } {
    const keys: Array<string> = []
    const rows: Array<number> = []
    for (const [name, { at }] of this.#until) {
      if (at <= now) continue
      if (typeof name === "string") keys.push(name)
      else rows.push(name)
    }
    return { keys, rows }
  }
}

/** Runs a relay in the background. */
export const start = Effect.fnUntraced(function* ({
  batch,
  bell,
  broker,
  claims,
  poll,
  promote
}: Options): Effect.fn.Return<void, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
  const publishRows = yield* PublishRows.make(broker, claims.bodyOf)
  const isUp = yield* Effect.cachedWithTTL(
    Effect.map(broker.health, ({ connected }) => connected),
    "1 second"
  )
  const held = new Held()
  let limit = batch
  const ear = yield* bell.hear
  let trouble: string | undefined

  const tell = (problem: string | undefined) => {
    if (trouble === problem) return Effect.void
    const wasTroubled = trouble !== undefined
    trouble = problem
    if (problem !== undefined) return Effect.logWarning(`The outbox waits: ${problem}`)
    return wasTroubled ? Effect.logInfo("The outbox goes on") : Effect.void
  }

  /** One claim. Returns how long to wait for the next: nothing, for a ring, or a while. */
  const pass = Effect.fnUntraced(function* () {
    let isStuck: PublishError.Reason | undefined
    const publish = (rows: ReadonlyArray<ClaimedRow>) => {
      // Where there are several there may be more. One alone is sooner done than another worker wakes.
      if (rows.length > 1) ear.ring()
      return Effect.tap(publishRows(rows), ({ failed, published }) =>
        Effect.suspend(() => {
          const safe = new Set(published)
          held.free(
            rows.filter(({ seq }) => safe.has(seq)),
            now()
          )
          const late = failed.filter(([, { _tag }]) => _tag === "Timeout").length
          // What is not confirmed in time is published again, so a slow broker gets less at a time.
          limit = Math.min(batch, late > 0 ? Math.max(smallest, Math.floor(limit / 2)) : limit + growth)
          for (const [row, reason] of failed) {
            // Where none of several is confirmed, it is the broker.
            const isOne = reason._tag === "Timeout" && (published.length > 0 || failed.length === 1)
            const isAlone = reason._tag === "Nacked" || isOne
            if (!isAlone || !held.hold(row, now())) isStuck = reason
          }
          return late === 0 || isStuck !== undefined
            ? Effect.void
            : Effect.logWarning(
                `The broker did not confirm ${late} of ${rows.length} events of the outbox in time: they are published again`
              )
        })
      )
    }
    const { claimed, ended } = yield* claims.claim({ limit, held: held.at(now()), publish })
    if (isStuck !== undefined) return { _tag: "Stuck", problem: isStuck.message } as const
    if (claimed === 0) return { _tag: "Idle" } as const
    return ended === 0 ? ({ _tag: "Busy" } as const) : ({ _tag: "Again" } as const)
  })

  const pause = Duration.toMillis(poll)
  let dueAt = 0
  let heard = -1
  /** Moves what is due to the rows that are claimed, and learns when the next one may be. */
  const lookForDue = Effect.suspend(() => {
    heard = bell.rings()
    return Effect.map(promote, (millis) => {
      dueAt = now() + Math.min(millis, pause)
    })
  })

  const worker = Effect.gen(function* () {
    const rest = (millis: number) => Effect.timeoutOption(ear.wait, millis)
    let wait = firstWait
    const stuck = Effect.fnUntraced(function* (problem: string) {
      yield* tell(problem)
      // Rings are no reason to ask a broker sooner that is down.
      yield* Effect.sleep(wait)
      wait = doubled(wait)
    })
    const step = Effect.gen(function* () {
      // No transaction is open while the broker is down.
      if (!(yield* isUp)) return yield* stuck("there is no connection to the broker")
      if (now() >= dueAt) yield* lookForDue
      const next = yield* pass()
      if (next._tag === "Stuck") return yield* stuck(next.problem)
      yield* tell(undefined)
      wait = firstWait
      // A ring may be for an event of a later time. Those of now come first.
      if (bell.rings() !== heard) yield* lookForDue
      const left = dueAt - now()
      if (next._tag === "Idle" && left > 0) yield* rest(left)
      if (next._tag === "Busy") yield* Effect.sleep(busyWait)
    })
    // A defect, too, must not end the worker: its events would wait for ever.
    return yield* Effect.forever(
      Effect.catchCause(step, (cause) => stuck(`the database refused a claim: ${Causes.messageOf(cause)}`))
    )
  })

  yield* Effect.addFinalizer(() => Effect.ignore(claims.release))
  yield* Effect.forEach(Array.from({ length: claims.parallel }), () => Effect.forkScoped(worker), { discard: true })
})
