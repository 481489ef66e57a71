/**
 * Reasons why dead letters stay where they are, counted.
 *
 * @internal
 */

import type * as JobModel from "../ConsoleJob.ts"

/** More reasons than this tell a person nothing more. */
const maxReasons = 10
const maxMessage = 500

export class Refusals {
  private readonly reasons = new Map<string, { count: number; readonly example: string | undefined }>()

  add(message: string, example?: string, count = 1): void {
    const short = message.slice(0, maxMessage)
    const isNew = !this.reasons.has(short)
    const key = isNew && this.reasons.size >= maxReasons ? "other reasons" : short
    const known = this.reasons.get(key)
    if (known === undefined) this.reasons.set(key, { count, example })
    else known.count += count
  }

  get model(): ReadonlyArray<typeof JobModel.Refusal.Type> {
    return [...this.reasons]
      .map(([message, { count, example }]) => ({ message, count, example }))
      .toSorted((a, b) => b.count - a.count)
  }
}
