/**
 * Groups dead letters by fingerprint.
 *
 * @internal
 */

import type { DeadLetter } from "../DeadLetter.ts"
import type { Group } from "../DeadLetters.ts"

const earlier = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
const later = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)

export class Grouping {
  private readonly groups = new Map<string | undefined, Group>()
  private readonly keys = new Map<string | undefined, Set<string>>()

  add({ envelope: { fault, key }, id, type }: DeadLetter): void {
    const keys = this.keys.get(fault?.fingerprint) ?? new Set()
    if (key !== undefined) this.keys.set(fault?.fingerprint, keys.add(key))
    const group = this.groups.get(fault?.fingerprint)
    this.groups.set(fault?.fingerprint, {
      fingerprint: fault?.fingerprint,
      reason: fault?.reason,
      type,
      sample: { id, message: fault?.message ?? "" },
      ...group,
      ...(keys.size === 0 ? {} : { keys: keys.size, key: keys.size === 1 ? [...keys][0] : undefined }),
      count: (group?.count ?? 0) + 1,
      first: earlier(group?.first, fault?.firstFailedAt),
      last: later(group?.last, fault?.lastFailedAt)
    })
  }

  /** Returns the groups, the largest first. */
  get bySize(): ReadonlyArray<Group> {
    return [...this.groups.values()].toSorted((a, b) => b.count - a.count)
  }
}
