/**
 * Lines in which effects with the same key wait for each other.
 *
 * @internal
 */

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

export class Lanes {
  /** The end of the last effect of each key. There are at most as many keys as effects. */
  private readonly last = new Map<string, Deferred.Deferred<void>>()

  /** Runs an effect after those of its key that came before it. It takes its place when it starts. */
  run<A, E, R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const before = this.last.get(key)
      const ended = Deferred.makeUnsafe<void>()
      this.last.set(key, ended)
      const inTurn = before === undefined ? effect : Effect.andThen(Deferred.await(before), effect)
      return Effect.onExit(inTurn, () => {
        if (this.last.get(key) === ended) this.last.delete(key)
        Deferred.doneUnsafe(ended, Effect.void)
        return Effect.void
      })
    })
  }
}
