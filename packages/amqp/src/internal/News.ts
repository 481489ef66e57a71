/**
 * The reasons that the log already has since all was well.
 *
 * @internal
 */

/** The number of reasons that are remembered. */
const most = 100

export class News {
  private readonly told = new Set<string>()

  /** Returns whether a reason is a new one. Two reasons that take turns are new once each. */
  add(reason: string): boolean {
    if (this.told.has(reason) || this.told.size >= most) return false
    this.told.add(reason)
    return true
  }

  /** Forgets all reasons, because all is well. */
  clear(): void {
    this.told.clear()
  }
}
