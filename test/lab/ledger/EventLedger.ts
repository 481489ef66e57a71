import { readFileSync } from "node:fs"

/** How an event ends in each of its queues, as its handler was told. */
export type End = "handled" | "dead"

/** What somebody saw, at a time in milliseconds. */
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

/** What is known of an event. The outcome of its publish is `confirmed`, the reason of its failure, or not there. */
export interface Account {
  readonly id: string
  readonly at: number
  readonly queues: ReadonlyArray<string>
  readonly end: End
  readonly script: string
  outcome: string | undefined
  readonly handled: Map<string, number>
  readonly dead: Map<string, number>
  readonly reasons: Set<string>
  readonly left: Set<string>
}

/** What somebody destroyed on purpose: everything of a queue that was attempted before. */
export interface Excuse {
  readonly queue: string
  readonly before: number
  readonly most: number
}

export interface Pair {
  readonly id: string
  readonly queue: string
  /** What the event's handler was told to do with it. */
  readonly script: string
  /** When it was attempted, as in the log. */
  readonly at: string
}

/** What must be empty, and what is only counted. */
export interface Balance {
  readonly attempted: number
  readonly confirmed: number
  /** How many publishes failed, by reason. */
  readonly failed: { readonly [reason: string]: number }
  readonly handled: number
  readonly dead: number
  readonly left: number
  readonly destroyed: number
  readonly duplicates: number
  /** Confirmed, and in no place. */
  readonly lost: ReadonlyArray<Pair>
  /** Publishes that never said what became of them. */
  readonly unanswered: ReadonlyArray<string>
  /** In a queue or handled, and never attempted. */
  readonly strangers: ReadonlyArray<string>
  /** There, though their publish said that they are not. */
  readonly phantoms: ReadonlyArray<string>
  /** Ended as they should not. */
  readonly misjudged: ReadonlyArray<string>
}

const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

const sum = (counts: Map<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0)

/** The queues in which an event is all that there is of it, not the copy of one that has ended. */
const waiting = ({ dead, handled, left }: Account): ReadonlyArray<string> =>
  [...left].filter((queue) => !handled.has(queue) && !dead.has(queue))

/** A publish that failed so has not landed; after these it may have. */
const mayHaveLanded = new Set(["Timeout", "Interrupted"])

/** The books of a run: who saw which event where. They hold whatever the process did that is under test. */
export class EventLedger {
  /** The ledger that a file of entries amounts to. A last line that was cut off is no entry yet. */
  static read(path: string): EventLedger {
    const ledger = new EventLedger()
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1)
    for (const line of lines) ledger.apply(JSON.parse(line))
    return ledger
  }

  readonly #accounts = new Map<string, Account>()
  readonly #strangers = new Set<string>()
  /** When an event was last attempted that its queue then handled. */
  readonly #fresh = new Map<string, number>()
  #confirmed = 0
  #handled = 0

  get confirmed(): number {
    return this.#confirmed
  }

  /** How often something was handled. */
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

  /** Whether each queue has handled an event that was attempted after a time. */
  isFresh(queues: ReadonlyArray<string>, after: number): boolean {
    return queues.every((queue) => (this.#fresh.get(queue) ?? 0) > after)
  }

  /** The confirmed events that have not ended, as they should, in a queue that should have had them. */
  pending(end: End): ReadonlyArray<Pair> {
    return this.#pairs((account, queue) => account.end === end && !account[end].has(queue))
  }

  /** The confirmed events that are in no place. */
  missing(): ReadonlyArray<Pair> {
    return this.#pairs(({ dead, handled, left }, queue) => !handled.has(queue) && !dead.has(queue) && !left.has(queue))
  }

  balance(excuses: ReadonlyArray<Excuse> = []): Balance {
    const accounts = [...this.#accounts.values()]
    const missing = this.missing()
    const isExcused = ({ id, queue }: Pair): boolean =>
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
      lost: missing.filter((pair) => !isExcused(pair)),
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

  #pairs(holds: (account: Account, queue: string) => boolean): ReadonlyArray<Pair> {
    const pairs: Array<Pair> = []
    for (const account of this.#accounts.values()) {
      if (account.outcome !== "confirmed") continue
      const { at, script, id } = account
      for (const queue of account.queues) {
        if (holds(account, queue)) pairs.push({ id, queue, script, at: new Date(at).toISOString().slice(11, 23) })
      }
    }
    return pairs
  }
}
