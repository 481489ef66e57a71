/**
 * The dead letters that a job has sent on, and which of them came back.
 *
 * @internal
 */

import type { Summary } from "effect-eventbus/DeadLetters"
import type { Look } from "./Looks.ts"

/** As many as a look can hold. */
const most = 10_000

export class Sent {
  /** By id: the number of replays before this one, which tells a dead letter that came back from another with its id. */
  private readonly rounds = new Map<string, number>()
  private isWhole = true
  /** Those that were back in the latest look, and when that was. */
  back: { readonly count: number; readonly at: number } | undefined

  add({ envelope: { round }, id }: { readonly id: string; readonly envelope: Pick<Summary, "round"> }): void {
    if (this.rounds.size < most) this.rounds.set(id, round)
    else this.isWhole = false
  }

  /**
   * Counts those that are back by a look, and returns whether it could. A look that did not
   * see all tells nothing, and nor does one where only a part of what was sent is known.
   */
  compare({ looked, seen, takenAt, waiting }: Look): boolean {
    if (!this.isWhole || this.rounds.size === 0 || looked < waiting) return false
    const isBack = ({ id, round }: Summary) => round > (this.rounds.get(id) ?? Infinity)
    this.back = { count: seen.filter(isBack).length, at: takenAt }
    return true
  }
}
