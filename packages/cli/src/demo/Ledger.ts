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
  /** The observed ends of the task since it was submitted or mended: one, if the bus works. */
  outcomes: Array<Outcome>
  ended: Deferred.Deferred<Outcome>
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
  private readonly reasonsSeen = new Map<string, string>()
  private readonly mendedSeen = new Set<string>()
  private repeats = 0

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
    this.reasonsSeen.set(eventId, reason)
    return this.end(eventId, "dead-lettered", then)
  }

  /** Records that a task was completed. `awaitEnds` continues after `then`. */
  enterCompleted(eventId: string, then: Effect.Effect<void>): Effect.Effect<void> {
    return this.end(eventId, "completed", then)
  }

  /** Records that a dead letter was mended, so its task is to end once more. */
  enterMended(eventId: string): void {
    const entry = this.entries.get(eventId)
    if (entry === undefined) return
    this.mendedSeen.add(eventId)
    this.reasonsSeen.delete(eventId)
    entry.outcomes = []
    entry.ended = Deferred.makeUnsafe()
  }

  /** The id of the event that submitted a task. */
  eventIdOf(taskId: string): string | undefined {
    return [...this.entries].find(([, entry]) => entry.taskId === taskId)?.[0]
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

  get mended(): number {
    return this.mendedSeen.size
  }

  /** The number of ends that were observed more than once. At-least-once delivery allows this when a connection is lost. */
  get repeated(): number {
    return this.repeats
  }

  get retries(): number {
    return this.retriesSeen.size
  }

  /** A number that changes whenever a task gets on. */
  get progress(): number {
    return this.completed + this.deadLettered + this.retries
  }

  get events(): number {
    return this.published.size
  }

  get isAudited(): boolean {
    return this.missing === 0
  }

  /** The reasons why tasks were dead-lettered. */
  get reasons(): ReadonlyArray<string> {
    return [...this.reasonsSeen.values()]
  }

  /**
   * Returns the conditions that must hold. `left` is the number of events that remain in the queues. Where connections
   * are cut, an end may be observed again.
   */
  checks(plannedTasks: number, plannedRetries: number, left: number, mayRepeat: boolean): ReadonlyArray<Check> {
    const { completed, deadLettered, events, retries, submitted } = this
    const endedOnce = [...this.entries.values()].filter(({ outcomes }) => outcomes.length === 1).length
    const sum = submitted === completed + deadLettered
    return [
      {
        holds: sum && submitted === plannedTasks,
        text: `${submitted} submitted ${sum ? "=" : "≠"} ${completed} completed + ${deadLettered} dead letters`
      },
      {
        holds: endedOnce === submitted && (mayRepeat || this.repeats === 0),
        text: mayRepeat
          ? `${endedOnce} of ${submitted} tasks ended in one way, ${this.repeats} seen again after a cut`
          : `${endedOnce} of ${submitted} tasks ended exactly once`
      },
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
    if (entry.outcomes.includes(outcome)) {
      this.repeats++
      return Effect.void
    }
    entry.outcomes.push(outcome)
    return Effect.andThen(then, Deferred.succeed(entry.ended, outcome))
  }
}
