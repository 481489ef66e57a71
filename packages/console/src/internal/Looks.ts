/**
 * Looks at dead letters, which are kept for a while: a page reads from one look, and
 * never looks by itself.
 *
 * @internal
 */

import type { BrokerError } from "effect-eventbus/BrokerError"
import type { DeadLetter } from "effect-eventbus/DeadLetter"
import type { Group, Summary } from "effect-eventbus/DeadLetters"
import { EventBus } from "effect-eventbus/EventBus"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { SnapshotGone } from "../ConsoleError.ts"
import type * as Model from "../ConsoleModel.ts"
import { rowOf } from "./deadLetterView.ts"
import type { Queues } from "./Queues.ts"
import type { Settings } from "./settings.ts"

type Row = typeof Model.Summary.Type

/** A look that is kept. */
export interface Look {
  readonly id: string
  readonly queue: string
  readonly takenAt: number
  readonly took: number
  readonly looked: number
  readonly waiting: number
  /** The dead letters as a list shows them, and as they are: both in the order in which they wait. */
  readonly rows: ReadonlyArray<Row>
  readonly seen: ReadonlyArray<Summary>
  readonly groups: ReadonlyArray<Group>
  /** The indexes of those that were exported. */
  readonly exported: Set<number>
}

/** The broker keeps track of each message that is held back. */
const maxHeld = 10_000
const maxKept = 8
const life = 10 * 60_000

export interface Looks {
  /** Returns the look that is kept, if there is one. */
  readonly kept: (queue: string) => Effect.Effect<Look | undefined>
  /** Returns the look that is kept, if as many dead letters wait as then, or their number is not known. */
  readonly current: (queue: string) => Effect.Effect<Look | undefined>
  /** Returns the current look, or looks. Those who ask at the same time get the same look. */
  readonly look: (queue: string, again: boolean) => Effect.Effect<Look, BrokerError>
  readonly get: (id: string) => Effect.Effect<Look, SnapshotGone>
  /** Returns a dead letter of a look with its body, or `undefined` where it is no longer there. */
  readonly whole: (look: Look, index: number) => Effect.Effect<DeadLetter | undefined, BrokerError>
}

export const make = Effect.fnUntraced(function* (
  settings: Settings,
  queues: Queues
): Effect.fn.Return<Looks, never, EventBus | Scope.Scope> {
  const bus = yield* EventBus
  const scope = yield* Effect.scope
  /** The least recently used first. */
  const all = new Map<string, Look>()
  const running = new Map<string, Fiber.Fiber<Look, BrokerError>>()

  const forget = (now: number) => {
    for (const { id, takenAt } of all.values()) {
      if (now - takenAt > life || all.size > maxKept) all.delete(id)
    }
  }
  yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.map(Clock.currentTimeMillis, forget), "1 minute")))

  const take = Effect.fnUntraced(function* (queue: string) {
    const takenAt = yield* Clock.currentTimeMillis
    const { groups, letters, looked, waiting } = yield* bus.deadLetters(queue, { maxHeld }).snapshot()
    const now = yield* Clock.currentTimeMillis
    const look: Look = {
      id: crypto.randomUUID(),
      queue,
      takenAt,
      took: now - takenAt,
      looked,
      waiting,
      rows: letters.map((letter, i) => rowOf(settings, letter, i)),
      seen: letters,
      groups,
      exported: new Set()
    }
    all.set(look.id, look)
    forget(now)
    return look
  })

  const kept: Looks["kept"] = Effect.fnUntraced(function* (queue) {
    forget(yield* Clock.currentTimeMillis)
    return [...all.values()].filter((look) => look.queue === queue).toSorted((a, b) => b.takenAt - a.takenAt)[0]
  })

  const current: Looks["current"] = Effect.fnUntraced(function* (queue) {
    const latest = yield* kept(queue)
    const now = latest && (yield* queues.deadLetters(queue))
    return now === undefined || now === latest?.waiting ? latest : undefined
  })

  const look: Looks["look"] = Effect.fnUntraced(function* (queue, again) {
    const latest = again ? undefined : yield* current(queue)
    if (latest !== undefined) return latest
    const joined = running.get(queue)
    if (joined !== undefined) return yield* Fiber.join(joined)
    // It goes on when the tab that asked is closed: others may have joined.
    const fiber = yield* Effect.forkIn(
      Effect.ensuring(
        queues.holding(queue)(take(queue)),
        Effect.sync(() => running.delete(queue))
      ),
      scope
    )
    running.set(queue, fiber)
    return yield* Fiber.join(fiber)
  })

  const get: Looks["get"] = Effect.fnUntraced(function* (id) {
    forget(yield* Clock.currentTimeMillis)
    const look = all.get(id)
    if (look === undefined) return yield* new SnapshotGone({ message: "This look is no longer kept: look again" })
    all.delete(id)
    all.set(id, look)
    return look
  })

  return {
    kept,
    current,
    look,
    get,
    whole: ({ queue, seen }, index) => {
      const summary = seen[index]
      if (summary === undefined || summary.letter !== undefined) return Effect.succeed(summary?.letter)
      return Effect.map(bus.deadLetters(queue).peek({ ids: [summary.id], limit: 1 }), ({ letters: [found] }) => found)
    }
  }
})

const distinct = (values: ReadonlyArray<string | undefined>): ReadonlyArray<string> =>
  [...new Set(values.filter((value) => value !== undefined))].toSorted()

/** Returns the groups with the words and keys of their samples as the rows have them. */
const groupsOf = ({ groups, rows }: Look): ReadonlyArray<typeof Model.Group.Type> => {
  const byId = new Map(rows.map((row) => [row.id, row]))
  return groups.map(({ sample: { id }, ...group }) => {
    const { key, message = "", reason, type } = byId.get(id) ?? {}
    return { ...group, key: group.key === undefined ? undefined : key, reason, type, sample: { id, message } }
  })
}

const noteOf = ({ looked, waiting }: Look): string | undefined => {
  if (looked >= waiting) return undefined
  return looked >= maxHeld
    ? `Only the oldest ${maxHeld.toLocaleString("en")} were looked at. Replay or discard some of them, then look again.`
    : "Another process looks at them at the same time, and holds the rest. Look again when it has ended."
}

/** Returns what the page is told of a look. */
export const snapshotOf = (look: Look): typeof Model.Snapshot.Type => ({
  id: look.id,
  queue: look.queue,
  takenAt: look.takenAt,
  took: look.took,
  looked: look.looked,
  waiting: look.waiting,
  count: look.rows.length,
  bytes: look.rows.reduce((sum, { bytes }) => sum + bytes, 0),
  note: noteOf(look),
  groups: groupsOf(look),
  types: distinct(look.rows.map(({ type }) => type)),
  reasons: distinct(look.rows.map(({ reason }) => reason))
})
