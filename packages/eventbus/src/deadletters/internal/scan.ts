/**
 * Scans the dead letters of a queue without changing them.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Broker, Browsed, Browser } from "../../broker/Broker.ts"
import { BrokerError, NotBrowsable } from "../../broker/BrokerError.ts"
import * as DeadLetter from "../DeadLetter.ts"
import * as DeadLetterFilter from "../DeadLetterFilter.ts"
import type { Scan } from "../DeadLetters.ts"

/** A queue to scan, and the number of messages that may be held back at once. */
export interface Source {
  readonly broker: Broker["Service"]
  /** The queue that keeps the dead letters. */
  readonly name: string
  readonly maxHeld: number
}

/** The queue whose listener is running. A look from there would wait for the operation that waits for the listener. */
const Listening = Context.Reference<Source | undefined>("effect-eventbus/DeadLetters/Listening", {
  defaultValue: () => undefined
})

/** Runs a listener of an operation on a queue. It cannot look at that queue itself. */
export const listen = (source: Source, listener: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.provideService(listener, Listening, source)

/** Browses a queue, when those before have ended. */
export const browse = Effect.fnUntraced(function* ({
  broker,
  name
}: Source): Effect.fn.Return<Browser, BrokerError, Scope.Scope> {
  const listening = yield* Listening
  if (listening?.broker === broker && listening.name === name) {
    const detail = "onProgress runs while it is being changed. Look at it when the operation has ended"
    return yield* new BrokerError({ reason: new NotBrowsable({ name, detail }) })
  }
  return yield* broker.browse(name)
})

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
  source: Source,
  filter: DeadLetterFilter.DeadLetterFilter,
  show: (letter: DeadLetter.DeadLetter, ordinal: number) => void,
  isEnough: () => boolean = () => false
): Effect.Effect<Scan, BrokerError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const browser = yield* browse(source)
      // After it has waited for others.
      const isSelected = DeadLetterFilter.matches(filter, yield* Clock.currentTimeMillis)
      let looked = 0
      const wantsMore = () => looked < source.maxHeld && !isEnough()
      yield* walk(browser, wantsMore).pipe(
        Stream.runForEach(({ envelope }) =>
          Effect.sync(() => {
            // A batch may hold more than is wanted.
            if (!wantsMore()) return
            const letter = DeadLetter.fromEnvelope(envelope)
            if (isSelected(letter)) show(letter, looked)
            looked++
          })
        )
      )
      return { looked, waiting: browser.waiting, consumers: browser.consumers }
    })
  )
