/**
 * The levels at which delayed events wait, declared when they are first needed on a connection.
 *
 * @internal
 */

import type { Reason } from "effect-eventbus/PublishError"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { AmqpConnection, Live } from "../AmqpConnection.ts"
import * as AmqpLadder from "../AmqpLadder.ts"
import * as AmqpPublisher from "./AmqpPublisher.ts"

export interface DelayLadder {
  /** Declares the levels up to one, unless that has been done on this connection. */
  readonly declared: (top: number) => Effect.Effect<void, Reason>
  /** Has them declared again the next time. */
  readonly forget: () => void
  /** Declares again what was declared before: the exchange of the events has lost its bindings. */
  readonly restored: Effect.Effect<void, Reason>
}

/** Makes the levels of a broker. */
export const make = (connection: AmqpConnection): DelayLadder => {
  const turn = Semaphore.makeUnsafe(1)
  let known: { readonly live: Live; readonly top: number } | undefined
  let highest = 0

  const isKnown = (top: number) => known !== undefined && known.live === connection.current() && known.top >= top
  const forget = () => {
    known = undefined
  }
  const declare = (top: number): Effect.Effect<void, Reason> =>
    Effect.suspend(() => {
      if (isKnown(top)) return Effect.void
      highest = Math.max(highest, top)
      return Effect.flatMap(connection.live, (live) =>
        Effect.map(AmqpLadder.declare(live, highest), () => {
          known = { live, top: highest }
        })
      ).pipe(Effect.mapError(AmqpPublisher.fromBroker))
    })
  const declared: DelayLadder["declared"] = (top) =>
    Effect.suspend(() => (isKnown(top) ? Effect.void : turn.withPermits(1)(declare(top))))

  return {
    declared,
    forget,
    restored: Effect.suspend(() => {
      forget()
      return highest === 0 ? Effect.void : declared(highest)
    })
  }
}
