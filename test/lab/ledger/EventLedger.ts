import { readFileSync } from "node:fs"

/** The end of an event in each of its queues. */
export type End = "handled" | "dead"

/** An observation of one event. `at` is in milliseconds. */
export type Entry =
  | {
      readonly kind: "attempted"
      readonly at: number
      readonly id: string
      readonly queues: ReadonlyArray<string>
      readonly end: End
      readonly script: string
    }
  | { readonly kind: "confirmed"; readonly at: number; readonly id: string }
  | { readonly kind: "failed"; readonly at: number; readonly id: string; readonly reason: string }
  | { readonly kind: "handled"; readonly at: number; readonly id: string; readonly queue: string }
  | {
      readonly kind: "dead"
      readonly at: number
      readonly id: string
      readonly queue: string
      readonly reason: string
    }
  | { readonly kind: "left"; readonly at: number; readonly id: string; readonly queue: string }

/** Everything known about an event. */
export interface Account {
  readonly id: string
  readonly at: number
  readonly queues: ReadonlyArray<string>
  readonly end: End
  readonly script: string
  /** `confirmed`, or the reason for which the publish failed, or `undefined` while it has no answer. */
  outcome: string | undefined
  readonly handled: Map<string, number>
  readonly dead: Map<string, number>
  readonly reasons: Set<string>
  readonly left: Set<string>
}

/** The messages of a queue that a fault destroyed on purpose: at most `most`, all published before `before`. */
export interface Excuse {
  readonly queue: string
  readonly before: number
  readonly most: number
}

/** An event in one of its queues. */
export interface EventInQueue {
  readonly id: string
  readonly queue: string
  /** The script that the event's handler follows. */
  readonly script: string
  /** The time of its publish, formatted as in the log. */
  readonly at: string
}

/** The sums of a ledger. The lists at the end hold the events that did not end as they should. */
export interface Balance {
  readonly attempted: number
  readonly confirmed: number
  /** The number of failed publishes by reason. */
  readonly failed: { readonly [reason: string]: number }
  readonly handled: number
  readonly dead: number
  readonly left: number
  readonly destroyed: number
  readonly duplicates: number
  /** Confirmed, but neither handled nor in a queue. */
  readonly lost: ReadonlyArray<EventInQueue>
  /** Published, but neither confirmed nor failed. */
  readonly unanswered: ReadonlyArray<string>
  /** Handled or in a queue, but never published. */
  readonly strangers: ReadonlyArray<string>
  /** Handled or in a queue although their publish failed. */
  readonly phantoms: ReadonlyArray<string>
  /** Dead letters whose handler succeeds, or handled although their handler fails. */
  readonly misjudged: ReadonlyArray<string>
}

const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

const sum = (counts: Map<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0)

/** Returns the queues in which an event still waits. A copy of an event that has already ended does not count. */
const waiting = ({ dead, handled, left }: Account): ReadonlyArray<string> =>
  [...left].filter((queue) => !handled.has(queue) && !dead.has(queue))

/** The reasons of a failed publish after which its event may nevertheless be in a queue. */
const mayHaveLanded = new Set(["Timeout", "Interrupted"])

/** The record of a run: all events, and where each was observed. It does not depend on the bus under test. */
export class EventLedger {
  /** Reads a ledger from a file of entries. Ignores a last line that is incomplete. */
  static read(path: string): EventLedger {
    const ledger = new EventLedger()
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1)
    for (const line of lines) ledger.apply(JSON.parse(line))
    return ledger
  }

  readonly #accounts = new Map<string, Account>()
  readonly #strangers = new Set<string>()
  /** The publish time of the newest event that each queue has handled. */
  readonly #fresh = new Map<string, number>()
  #confirmed = 0
  #handled = 0

  get confirmed(): number {
    return this.#confirmed
  }

  /** The number of handled deliveries, duplicates included. */
  get handled(): number {
    return this.#handled
  }

  apply(entry: Entry): void {
    if (entry.kind === "attempted") {
      const { at, end, script, id, queues } = entry
      const fresh = { handled: new Map(), dead: new Map(), left: new Set<string>(), reasons: new Set<string>() }
      this.#accounts.set(id, { id, at, end, script, queues, outcome: undefined, ...fresh })
      return
    }
    const account = this.#accounts.get(entry.id)
    if (account === undefined) return void this.#strangers.add(entry.id)
    switch (entry.kind) {
      case "confirmed":
        account.outcome = "confirmed"
        this.#confirmed += 1
        return
      case "failed":
        account.outcome = entry.reason
        return
      case "handled":
        this.#handled += 1
        add(account.handled, entry.queue)
        this.#fresh.set(entry.queue, Math.max(account.at, this.#fresh.get(entry.queue) ?? 0))
        return
      case "dead":
        add(account.dead, entry.queue)
        account.reasons.add(entry.reason)
        return
      case "left":
        account.left.add(entry.queue)
    }
  }

  /** Returns whether each queue has handled an event that was published after a time. */
  isFresh(queues: ReadonlyArray<string>, after: number): boolean {
    return queues.every((queue) => (this.#fresh.get(queue) ?? 0) > after)
  }

  /** Returns the confirmed events that should have this end and do not have it yet. */
  pending(end: End): ReadonlyArray<EventInQueue> {
    return this.#confirmedWhere((account, queue) => account.end === end && !account[end].has(queue))
  }

  /** Returns the confirmed events that are neither handled nor in a queue. */
  missing(): ReadonlyArray<EventInQueue> {
    return this.#confirmedWhere(
      ({ dead, handled, left }, queue) => !handled.has(queue) && !dead.has(queue) && !left.has(queue)
    )
  }

  /** Returns the sums. Events under an excuse count as destroyed, not as lost. */
  balance(excuses: ReadonlyArray<Excuse> = []): Balance {
    const accounts = [...this.#accounts.values()]
    const missing = this.missing()
    const isExcused = ({ id, queue }: EventInQueue): boolean =>
      excuses.some((excuse) => excuse.queue === queue && (this.#accounts.get(id)?.at ?? 0) < excuse.before)
    const excess = (counts: Map<string, number>): number => sum(counts) - counts.size
    const copies = (account: Account): number =>
      excess(account.handled) + excess(account.dead) + account.left.size - waiting(account).length
    const failed: Record<string, number> = {}
    for (const { outcome } of accounts) {
      if (outcome !== undefined && outcome !== "confirmed") failed[outcome] = (failed[outcome] ?? 0) + 1
    }
    const isThere = ({ dead, handled, left }: Account) => handled.size + dead.size + left.size > 0
    return {
      attempted: accounts.length,
      confirmed: this.#confirmed,
      failed,
      handled: accounts.reduce((total, { handled }) => total + handled.size, 0),
      dead: accounts.reduce((total, { dead }) => total + dead.size, 0),
      left: accounts.reduce((total, account) => total + waiting(account).length, 0),
      destroyed: missing.filter(isExcused).length,
      duplicates: accounts.reduce((total, account) => total + copies(account), 0),
      lost: missing.filter((event) => !isExcused(event)),
      unanswered: accounts.filter(({ outcome }) => outcome === undefined).map(({ id }) => id),
      strangers: [...this.#strangers],
      phantoms: accounts
        .filter((account) => account.outcome !== undefined && account.outcome !== "confirmed" && isThere(account))
        .filter(({ outcome }) => !mayHaveLanded.has(outcome ?? ""))
        .map(({ id, outcome }) => `${id} ${outcome}`),
      misjudged: accounts
        .filter(({ dead, end, handled }) => (end === "handled" ? dead : handled).size > 0)
        .map(({ end, id, reasons }) => `${id} should be ${end}; ${[...reasons].join(", ")}`)
    }
  }

  #confirmedWhere(holds: (account: Account, queue: string) => boolean): ReadonlyArray<EventInQueue> {
    const found: Array<EventInQueue> = []
    for (const account of this.#accounts.values()) {
      if (account.outcome !== "confirmed") continue
      const { at, script, id } = account
      for (const queue of account.queues) {
        if (holds(account, queue)) found.push({ id, queue, script, at: new Date(at).toISOString().slice(11, 23) })
      }
    }
    return found
  }
}
