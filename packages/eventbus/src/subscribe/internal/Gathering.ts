/**
 * Gathers deliveries until there are enough of them, or until the first has waited long
 * enough.
 *
 * Each batch has a fiber of its own. It ends early when all of its members have left.
 *
 * @internal
 */

import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"

interface Batch<Member> {
  readonly key: string
  readonly members: Set<Member>
  readonly closed: Latch.Latch
  fiber: Fiber.Fiber<void> | undefined
}

export interface Limits {
  readonly size: number
  /** The number of deliveries that may be here at once: when all of them wait, no other can join. */
  readonly most: number
  readonly within: Duration.Duration
}

export class Gathering<Member> {
  private readonly limits: Limits
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  private readonly handle: (members: ReadonlyArray<Member>) => Effect.Effect<void>
  /** The batches that take members. */
  private readonly open = new Map<string, Batch<Member>>()
  private waiting = 0
  private isDraining = false

  constructor(
    limits: Limits,
    fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>,
    handle: (members: ReadonlyArray<Member>) => Effect.Effect<void>
  ) {
    this.limits = limits
    this.fork = fork
    this.handle = handle
  }

  /** Adds a member to the batch of a key. Returns the effect by which it leaves early. */
  join(key: string, member: Member): Effect.Effect<void> {
    const batch = this.open.get(key) ?? this.begin(key)
    batch.members.add(member)
    this.waiting += 1
    if (batch.members.size >= this.limits.size) this.close(batch)
    else if (this.waiting >= this.limits.most) this.close(this.largest() ?? batch)
    batch.fiber ??= this.fork(this.lifeOf(batch))
    return Effect.suspend(() => this.leave(batch, member))
  }

  /** Hands over what is here. What joins from now on waits only for what comes in the same turn. */
  drain(): void {
    this.isDraining = true
    for (const batch of this.open.values()) this.close(batch)
  }

  private begin(key: string): Batch<Member> {
    const batch: Batch<Member> = { key, members: new Set(), closed: Latch.makeUnsafe(), fiber: undefined }
    this.open.set(key, batch)
    return batch
  }

  private largest(): Batch<Member> | undefined {
    let largest: Batch<Member> | undefined
    for (const batch of this.open.values()) {
      if (largest === undefined || batch.members.size > largest.members.size) largest = batch
    }
    return largest
  }

  private close(batch: Batch<Member>): void {
    // Its key may have a successor by now.
    if (this.open.get(batch.key) !== batch) return
    this.open.delete(batch.key)
    this.waiting -= batch.members.size
    batch.closed.openUnsafe()
  }

  private lifeOf(batch: Batch<Member>): Effect.Effect<void> {
    const { within } = this.limits
    const end = this.isDraining ? Effect.yieldNow : Effect.timeoutOption(batch.closed.await, within)
    return Effect.flatMap(end, () => {
      this.close(batch)
      return this.handle([...batch.members])
    })
  }

  private leave(batch: Batch<Member>, member: Member): Effect.Effect<void> {
    if (!batch.members.delete(member)) return Effect.void
    const isOpen = this.open.get(batch.key) === batch
    if (isOpen) this.waiting -= 1
    if (batch.members.size > 0) return Effect.void
    if (isOpen) this.open.delete(batch.key)
    return batch.fiber === undefined ? Effect.void : Fiber.interrupt(batch.fiber)
  }
}
