/**
 * The ledger of the demo: every player records the events that it sees, and at the end
 * the totals must add up.
 *
 * @since 0.1.0
 */

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/**
 * The end of a task.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = "completed" | "dead-lettered"

interface Entry {
  readonly taskId: string
  /** One for each observed end of the task: exactly one, if the bus works. */
  readonly outcomes: Array<Outcome>
  readonly ended: Deferred.Deferred<Outcome>
}

/**
 * A condition that must hold at the end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Check {
  readonly holds: boolean
  readonly text: string
}

/**
 * @category models
 * @since 0.1.0
 */
export class Ledger {
  /** By the id of the event that submitted the task. */
  private readonly entries = new Map<string, Entry>()
  private readonly retriesSeen = new Set<string>()
  private readonly published = new Set<string>()
  private readonly audited = new Set<string>()
  private readonly reasonsSeen: Array<string> = []

  enterPublished(eventId: string): void {
    this.published.add(eventId)
  }

  enterAudited(eventId: string): void {
    this.audited.add(eventId)
  }

  enterSubmitted(eventId: string, taskId: string): void {
    this.entries.set(eventId, { taskId, outcomes: [], ended: Deferred.makeUnsafe() })
  }

  enterAttempt(eventId: string, attempt: number): void {
    if (attempt > 1) this.retriesSeen.add(`${eventId} ${attempt}`)
  }

  /** Records that a task was dead-lettered. `awaitEnds` continues after `then`. */
  enterDeadLetter(eventId: string, reason: string, then: Effect.Effect<void>): Effect.Effect<void> {
    this.reasonsSeen.push(reason)
    return this.end(eventId, "dead-lettered", then)
  }

  /** Records that a task was completed. `awaitEnds` continues after `then`. */
  enterCompleted(eventId: string, then: Effect.Effect<void>): Effect.Effect<void> {
    return this.end(eventId, "completed", then)
  }

  taskIdOf(eventId: string): string {
    return this.entries.get(eventId)?.taskId ?? "?"
  }

  /** Waits for the end of all tasks. */
  awaitEnds(eventIds: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Outcome>> {
    return Effect.forEach(eventIds, (eventId) => {
      const entry = this.entries.get(eventId)
      return entry === undefined ? Effect.die(new Error(`Never submitted: ${eventId}`)) : Deferred.await(entry.ended)
    })
  }

  get submitted(): number {
    return this.entries.size
  }

  get completed(): number {
    return this.count("completed")
  }

  get deadLettered(): number {
    return this.count("dead-lettered")
  }

  get retries(): number {
    return this.retriesSeen.size
  }

  get events(): number {
    return this.published.size
  }

  get isAudited(): boolean {
    return this.missing === 0
  }

  /** The reasons why tasks were dead-lettered. */
  get reasons(): ReadonlyArray<string> {
    return this.reasonsSeen
  }

  /** Returns the conditions that must hold. `left` is the number of events that remain in the queues. */
  checks(plannedTasks: number, plannedRetries: number, left: number): ReadonlyArray<Check> {
    const { completed, deadLettered, events, retries, submitted } = this
    const endedOnce = [...this.entries.values()].filter(({ outcomes }) => outcomes.length === 1).length
    const sum = submitted === completed + deadLettered
    return [
      {
        holds: sum && submitted === plannedTasks,
        text: `${submitted} submitted ${sum ? "=" : "≠"} ${completed} completed + ${deadLettered} dead letters`
      },
      { holds: endedOnce === submitted, text: `${endedOnce} of ${submitted} tasks ended exactly once` },
      { holds: retries === plannedRetries, text: `${retries} of ${plannedRetries} planned retries` },
      { holds: this.isAudited, text: `${events - this.missing} of ${events} events reached the audit` },
      { holds: left === 0, text: `${left === 0 ? "no" : left} events left in the queues` }
    ]
  }

  private get missing(): number {
    return [...this.published].filter((eventId) => !this.audited.has(eventId)).length
  }

  private count(outcome: Outcome): number {
    return [...this.entries.values()].filter(({ outcomes }) => outcomes.includes(outcome)).length
  }

  private end(eventId: string, outcome: Outcome, then: Effect.Effect<void>): Effect.Effect<void> {
    const entry = this.entries.get(eventId)
    if (entry === undefined) return then
    entry.outcomes.push(outcome)
    return Effect.andThen(then, Deferred.succeed(entry.ended, outcome))
  }
}
