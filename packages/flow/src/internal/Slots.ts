/**
 * A number of slots that may change, and those that wait for one.
 *
 * Effect's `Semaphore` does the same in more steps of a fiber, which count because each
 * event takes a slot.
 *
 * @internal
 */

import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

export class Slots {
  private taken = 0
  /** Those that wait, the longest first. One that is no longer here has its slot. */
  private readonly waiting = new Set<Deferred.Deferred<void>>()
  private limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  /** Takes a slot if one is free, and none waits for it. */
  takeUnsafe(): boolean {
    if (this.taken >= this.limit || this.waiting.size > 0) return false
    this.taken += 1
    return true
  }

  /** Waits for a slot, and succeeds with whether there was one in time. To be run without interruption but for `restore`. */
  take(
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
    atMost: Duration.Input
  ): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const turn = Deferred.makeUnsafe<void>()
      this.waiting.add(turn)
      return Effect.matchCauseEffect(restore(Effect.timeoutOption(Deferred.await(turn), atMost)), {
        onSuccess: (came) => Effect.succeed(Option.isSome(came) || !this.waiting.delete(turn)),
        onFailure: (cause) => {
          const release = this.waiting.delete(turn) ? undefined : this.release()
          return Effect.andThen(release ?? Effect.void, Effect.failCause(cause))
        }
      })
    })
  }

  /** Gives a slot back, and returns what lets those go on that wait. */
  release(): Effect.Effect<void> | undefined {
    this.taken -= 1
    return this.handOn()
  }

  /** Changes the number of slots, and returns what lets those go on that wait. */
  resize(limit: number): Effect.Effect<void> | undefined {
    this.limit = limit
    return this.handOn()
  }

  private handOn(): Effect.Effect<void> | undefined {
    if (this.waiting.size === 0 || this.taken >= this.limit) return undefined
    // Not at once: each that goes on may give its slot back at once, and the stack would grow with their number.
    return Effect.withFiber((fiber) => {
      fiber.currentDispatcher.scheduleTask(() => {
        for (const turn of this.waiting) {
          if (this.taken >= this.limit) return
          this.taken += 1
          this.waiting.delete(turn)
          Deferred.doneUnsafe(turn, Exit.void)
        }
      }, 0)
      return Effect.void
    })
  }
}
