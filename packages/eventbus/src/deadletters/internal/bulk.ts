/**
 * Removes dead letters from their queue, each after an action on it has succeeded.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Browsed } from "../../broker/Broker.ts"
import type { BrokerError } from "../../broker/BrokerError.ts"
import { PublishError, type Reason } from "../../broker/PublishError.ts"
import * as DeadLetter from "../DeadLetter.ts"
import * as DeadLetterFilter from "../DeadLetterFilter.ts"
import type { BulkOptions, ReplayResult } from "../DeadLetters.ts"
import { browse, listen, type Source, walk } from "./scan.ts"

/** The number of dead letters that are processed at once. As many may be duplicated if the process is killed. */
const maxInFlight = 100

/** Returns whether a failure concerns only one dead letter, and no others. */
const isItsOwn = (reason: Reason): boolean => reason._tag === "TooLarge" || reason._tag === "EncodeFailed"

/** Returns the error of a dead letter that could not be published. */
export const toError = ({ id, type }: DeadLetter.DeadLetter, reason: Reason): PublishError =>
  new PublishError({ eventId: id, eventType: type ?? "unknown", reason })

interface Selected {
  readonly letter: DeadLetter.DeadLetter
  /** The action on it. */
  readonly done: Effect.Effect<void, Reason>
  readonly remove: Browsed["remove"]
}

/** Runs an action on each selected dead letter, and removes those for which it succeeds. */
export const bulk = (
  source: Source,
  {
    limit = Infinity,
    onFailed = () => Effect.void,
    onProgress = () => Effect.void,
    onTaken = () => Effect.void,
    where = () => true,
    ...filter
  }: BulkOptions,
  act: (letter: DeadLetter.DeadLetter) => Effect.Effect<void, Reason>,
  pause?: Duration.Input,
  /** Whether a dead letter goes with the first one of its key, on which the action is run, and stays until it is handled. */
  isOrdered: (letter: DeadLetter.DeadLetter) => boolean = () => false
): Effect.Effect<ReplayResult, BrokerError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const browser = yield* browse(source)
      const isSelected = DeadLetterFilter.matches(filter, yield* Clock.currentTimeMillis)
      let result: ReplayResult = { waiting: browser.waiting, done: 0, skipped: 0, failed: 0, failure: undefined }
      let taken = 0
      let stopped = false
      /** The first dead letter of each key: whether the action on it has succeeded. */
      const firsts = new Map<string, Deferred.Deferred<void, Reason> | "skipped">()
      const wantsMore = () => !stopped && taken < limit && result.skipped + result.failed < source.maxHeld

      const select = ({ envelope, remove }: Browsed): ReadonlyArray<Selected> => {
        if (!wantsMore()) return []
        const letter = DeadLetter.fromEnvelope(envelope)
        const key = isOrdered(letter) ? envelope.key : undefined
        const first = key === undefined ? undefined : firsts.get(key)
        if (first === undefined ? isSelected(letter) && where(letter) : first !== "skipped") {
          taken++
          if (key === undefined) return [{ letter, done: act(letter), remove }]
          if (first !== undefined && first !== "skipped")
            return [{ letter, done: Deferred.await(first), remove: Effect.void }]
          const done = Deferred.makeUnsafe<void, Reason>()
          firsts.set(key, done)
          const woken = Effect.onExit(act(letter), (exit) => Deferred.done(done, exit))
          return [{ letter, done: woken, remove: Effect.void }]
        }
        if (key !== undefined) firsts.set(key, "skipped")
        result = { ...result, skipped: result.skipped + 1 }
        return []
      }

      const run = ({ done, letter, remove }: Selected) =>
        Effect.suspend(() =>
          stopped
            ? Effect.void
            : Effect.matchEffect(done, {
                onSuccess: () =>
                  Effect.flatMap(remove, () => {
                    result = { ...result, done: result.done + 1 }
                    return listen(source, onTaken(letter))
                  }),
                onFailure: (reason) =>
                  Effect.suspend(() => {
                    const failure = toError(letter, reason)
                    stopped ||= !isItsOwn(reason)
                    result = { ...result, failed: result.failed + 1, failure }
                    return listen(source, onFailed(failure))
                  })
              })
        )

      const selected = walk(browser, wantsMore).pipe(Stream.map(select), Stream.flattenIterable)
      const paced =
        pause === undefined
          ? selected
          : Stream.throttle(Stream.rechunk(selected, 1), { cost: () => 1, units: 1, duration: pause })
      const all = paced.pipe(
        Stream.mapEffect(
          // An interruption in between would leave a duplicate.
          (letter) => Effect.map(Effect.uninterruptible(run(letter)), () => result),
          { concurrency: maxInFlight, unordered: true }
        ),
        Stream.runForEach((result) => listen(source, onProgress(result)))
      )
      // An interrupted stream would start more dead letters while it waits for those that are in progress.
      yield* Effect.acquireUseRelease(Effect.forkChild(Effect.interruptible(all)), Fiber.join, (fiber) =>
        Effect.suspend(() => {
          stopped = true
          return Fiber.interrupt(fiber)
        })
      ).pipe(Effect.onInterrupt(() => listen(source, onProgress(result))))
      return result
    })
  )
