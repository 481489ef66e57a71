/**
 * Scans the dead letters of a queue without changing them.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Broker, Browsed, Browser } from "../../broker/Broker.ts"
import type { BrokerError } from "../../broker/BrokerError.ts"
import * as DeadLetter from "../DeadLetter.ts"
import * as DeadLetterFilter from "../DeadLetterFilter.ts"

/** A queue to scan, and the number of messages that may be held back at once. */
export interface Source {
  readonly broker: Broker["Service"]
  /** The queue that keeps the dead letters. */
  readonly name: string
  readonly maxHeld: number
}

/** The number of messages that one step takes. */
const batchSize = 100

/** Streams the messages that waited when the scan began, while `wantsMore` holds. */
export const walk = (browser: Browser, wantsMore: () => boolean): Stream.Stream<Browsed, BrokerError> =>
  Stream.paginate(0, (seen) => {
    const left = browser.waiting - seen
    if (left <= 0 || !wantsMore()) return Effect.succeed([[], Option.none<number>()] as const)
    return Effect.map(
      browser.take(Math.min(left, batchSize)),
      (taken) => [taken, taken.length === 0 ? Option.none() : Option.some(seen + taken.length)] as const
    )
  })

/** Passes the selected dead letters to `show` until there are enough, and returns how many it looked at. */
export const scan = (
  { broker, maxHeld, name }: Source,
  filter: DeadLetterFilter.DeadLetterFilter,
  show: (letter: DeadLetter.DeadLetter) => void,
  isEnough: () => boolean = () => false
): Effect.Effect<{ readonly looked: number; readonly waiting: number }, BrokerError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const isSelected = DeadLetterFilter.matches(filter, yield* Clock.currentTimeMillis)
      const browser = yield* broker.browse(name)
      let looked = 0
      const wantsMore = () => looked < maxHeld && !isEnough()
      yield* walk(browser, wantsMore).pipe(
        Stream.runForEach(({ envelope }) =>
          Effect.sync(() => {
            // A batch may hold more than is wanted.
            if (!wantsMore()) return
            looked++
            const letter = DeadLetter.fromEnvelope(envelope)
            if (isSelected(letter)) show(letter)
          })
        )
      )
      return { looked, waiting: browser.waiting }
    })
  )
