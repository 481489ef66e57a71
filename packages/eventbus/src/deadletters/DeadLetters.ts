/**
 * The dead letters of a queue, for those who see and mend: look at them, deliver
 * them anew, let go of them.
 *
 * Looking changes nothing: every letter stays, in its order. A letter that is
 * delivered anew is safe in its queue before it leaves the dead letters, so that
 * whatever breaks in between makes a duplicate, never a loss.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Broker, Browsed, Browser } from "../broker/Broker.ts"
import { BrokerError, NotFound } from "../broker/BrokerError.ts"
import type { Envelope } from "../broker/Envelope.ts"
import { PublishError, TooLarge } from "../broker/PublishError.ts"
import type { Reason } from "../broker/PublishError.ts"
import * as QueueSpec from "../broker/QueueSpec.ts"
import type * as EventType from "../event/EventType.ts"
import * as DeadLetter from "./DeadLetter.ts"
import * as DeadLetterFilter from "./DeadLetterFilter.ts"

/**
 * How many letters were looked at, of how many that waited. The first is the
 * smaller one where enough were found, or the bound of `maxHeld` was reached.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scan {
  readonly looked: number
  readonly waiting: number
}

/**
 * What `peek` sees.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peeked extends Scan {
  /** In the order in which they wait. */
  readonly letters: ReadonlyArray<DeadLetter.DeadLetter>
}

/**
 * Letters of one fingerprint: the same trouble, many times.
 *
 * @category models
 * @since 0.1.0
 */
export interface Group {
  /** `undefined`, as the reason, where nobody said why they are dead letters. */
  readonly fingerprint: string | undefined
  readonly reason: string | undefined
  readonly type: string | undefined
  readonly count: number
  /** When the first of them first failed, in milliseconds since 1970. */
  readonly first: number | undefined
  /** When the last of them last failed, in milliseconds since 1970. */
  readonly last: number | undefined
  /** The one that comes first. */
  readonly sample: { readonly id: string; readonly message: string }
}

/**
 * What became of the letters that were looked at. They add up: `done`, `skipped`
 * and `failed` together are how many that was.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReplayResult {
  /** How many letters waited when it began. */
  readonly waiting: number
  /** How many are delivered anew, or discarded. */
  readonly done: number
  /** How many were not meant. They are where they were. */
  readonly skipped: number
  /** How many could not be delivered. They are where they were. */
  readonly failed: number
  /** Why the last one of those could not. */
  readonly failure: PublishError | undefined
}

/**
 * Which letters `replay` and `discard` take, and how.
 *
 * @category models
 * @since 0.1.0
 */
export interface BulkOptions extends DeadLetterFilter.DeadLetterFilter {
  /** How many at most, the oldest first. Default: all that wait when it begins. */
  readonly limit?: number | undefined
  /** Told after each letter, and a last time where it is interrupted. */
  readonly onProgress?: ((tally: ReplayResult) => Effect.Effect<void>) | undefined
}

/**
 * The dead letters of a queue, as `EventBus.deadLetters` gives them.
 *
 * **Details**
 *
 * A queue that has none fails with a `NotFound`. RabbitMQ counts how often a message
 * was taken and given back, so dead letters that someone else declared with a limit to
 * that are a `NotBrowsable`.
 *
 * **Gotchas**
 *
 * A letter that was looked at counts as delivered before, so an at-most-once
 * subscription to the dead letters discards it. Letters are held back while they are
 * looked at, and the order is only kept where one looks at a time.
 *
 * **Example** (What failed for the same reason, delivered anew)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect } from "effect"
 * import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
 *
 * const Ping = EventType.untyped("ping")
 * const pings = Subscription.make("pings", { events: [Ping] })
 * const broken = Handler.make(pings, () => Effect.fail("no")).pipe(Handler.onFailure(FailurePolicy.deadLetter))
 * const mended = Handler.make(pings, () => Effect.void)
 *
 * const program = Effect.gen(function*() {
 *   const bus = yield* EventBus.EventBus
 *   const memory = yield* MemoryBroker.MemoryBroker
 *   yield* Effect.scoped(Effect.gen(function*() {
 *     yield* bus.subscribe(broken)
 *     yield* bus.publish(yield* Ping.event({}))
 *     yield* memory.expect("dlq.pings", 1)
 *   }))
 *
 *   yield* bus.subscribe(mended)
 *   const letters = bus.deadLetters("pings")
 *   const { groups } = yield* letters.groups()
 *   const { done, skipped, failed } = yield* letters.replay({ fingerprint: groups[0]?.fingerprint })
 *   assert.deepStrictEqual({ done, skipped, failed }, { done: 1, skipped: 0, failed: 0 })
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(EventBus.layerMemory)))
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetters {
  /** The letters meant, oldest first and the 10 oldest of them, unless it says otherwise. */
  readonly peek: (
    options?: DeadLetterFilter.DeadLetterFilter & {
      /** Default: 10. */
      readonly limit?: number | undefined
      /** Which ones, where there are more than the limit. The newest ones cost a look at all others. Default: `oldest`. */
      readonly order?: "oldest" | "newest" | undefined
    }
  ) => Effect.Effect<Peeked, BrokerError>
  /** The letters meant, by fingerprint: the most frequent first. */
  readonly groups: (
    filter?: DeadLetterFilter.DeadLetterFilter
  ) => Effect.Effect<Scan & { readonly groups: ReadonlyArray<Group> }, BrokerError>
  /**
   * Delivers letters anew, to the queue whose dead letters they are and to no other:
   * as on their first attempt, with their round counted. What comes back to the dead
   * letters meanwhile is not taken again.
   *
   * It stops at the first failure that is not the letter's own, because all others
   * would fail in the same way.
   */
  readonly replay: (
    options?: BulkOptions & {
      /** How many a second at most, evenly. Default: as many as the broker takes. */
      readonly rate?: number | undefined
    }
  ) => Effect.Effect<ReplayResult, BrokerError>
  /**
   * Delivers a letter anew with another payload, in its JSON form. With a type, the
   * payload must be one of its schema: what the schema refuses is an `EncodeFailed`, as
   * is a letter that is no event.
   */
  readonly edit: (
    id: string,
    payload: Schema.JsonObject,
    type?: EventType.Any
  ) => Effect.Effect<void, BrokerError | PublishError>
  /** Lets go of letters, for good. `{}` means all of them. */
  readonly discard: (filter: BulkOptions) => Effect.Effect<ReplayResult, BrokerError>
  /** Puts a letter among the dead letters, as one that was exported before. */
  readonly put: (letter: DeadLetter.DeadLetter) => Effect.Effect<void, PublishError>
}

/**
 * Options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How many letters may be held back at once while they are looked at: the broker
   * has to remember each. Default: 10,000.
   */
  readonly maxHeld?: number | undefined
}

/** How many letters are on their way to their queue at once: what may be there twice when the process is killed. */
const maxInFlight = 100
/** How many letters are asked for at once. */
const batch = 100

const fromOne = (what: string, value: number): number => {
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`${what} must be a whole number from 1 up, not ${value}`)
  }
  return value
}

/** The envelopes of a queue, up to those that waited in the beginning, for as long as someone wants more. */
const walk = (browser: Browser, wantsMore: () => boolean): Stream.Stream<Browsed, BrokerError> =>
  Stream.paginate(0, (seen) => {
    const left = browser.waiting - seen
    if (left <= 0 || !wantsMore()) return Effect.succeed([[], Option.none<number>()] as const)
    return Effect.map(
      browser.take(Math.min(left, batch)),
      (taken) => [taken, taken.length === 0 ? Option.none() : Option.some(seen + taken.length)] as const
    )
  })

/** Whether a letter's neighbours would not have failed. */
const isItsOwn = (reason: Reason): boolean => reason._tag === "TooLarge" || reason._tag === "EncodeFailed"

/**
 * The dead letters of a queue of a broker.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (broker: Broker["Service"], queue: string, options: Options = {}): DeadLetters => {
  const name = QueueSpec.deadLetterQueueOf(QueueSpec.checkQueue(queue))
  const maxHeld = fromOne("maxHeld", options.maxHeld ?? 10_000)

  const toError = ({ id, type }: DeadLetter.DeadLetter, reason: Reason): PublishError =>
    new PublishError({ eventId: id, eventType: type ?? "unknown", reason })

  const send = (to: string, envelope: Envelope): Effect.Effect<void, Reason> => {
    const bytes = envelope.body.length
    return bytes > broker.maxBodyBytes
      ? Effect.fail(new TooLarge({ bytes, limit: broker.maxBodyBytes }))
      : broker.put(to, envelope)
  }

  /** Shows the letters meant, until they are enough. */
  const look = (
    filter: DeadLetterFilter.DeadLetterFilter,
    see: (letter: DeadLetter.DeadLetter) => void,
    isEnough: () => boolean = () => false
  ): Effect.Effect<Scan, BrokerError> =>
    Effect.scoped(
      Effect.gen(function* () {
        const isMeant = DeadLetterFilter.matches(filter, yield* Clock.currentTimeMillis)
        const browser = yield* broker.browse(name)
        let looked = 0
        const wantsMore = () => looked < maxHeld && !isEnough()
        yield* walk(browser, wantsMore).pipe(
          Stream.runForEach(({ envelope }) =>
            Effect.sync(() => {
              // It came along with those that were wanted.
              if (!wantsMore()) return
              looked++
              const letter = DeadLetter.fromEnvelope(envelope)
              if (isMeant(letter)) see(letter)
            })
          )
        )
        return { looked, waiting: browser.waiting }
      })
    )

  /** Does something with the letters meant that ends with their leaving the dead letters. */
  const settle = (
    { limit, onProgress = () => Effect.void, ...filter }: BulkOptions,
    act: (letter: DeadLetter.DeadLetter) => Effect.Effect<void, Reason>,
    pause?: Duration.Input
  ): Effect.Effect<ReplayResult, BrokerError> => {
    const most = limit === undefined ? Infinity : fromOne("limit", limit)
    return Effect.scoped(
      Effect.gen(function* () {
        const isMeant = DeadLetterFilter.matches(filter, yield* Clock.currentTimeMillis)
        const browser = yield* broker.browse(name)
        let tally: ReplayResult = { waiting: browser.waiting, done: 0, skipped: 0, failed: 0, failure: undefined }
        let taken = 0
        let stopped = false
        const wantsMore = () => !stopped && taken < most && tally.skipped + tally.failed < maxHeld
        const meant = ({ envelope, remove }: Browsed) => {
          if (!wantsMore()) return []
          const letter = DeadLetter.fromEnvelope(envelope)
          if (isMeant(letter)) {
            taken++
            return [{ letter, remove }]
          }
          tally = { ...tally, skipped: tally.skipped + 1 }
          return []
        }
        const end = ({ letter, remove }: ReturnType<typeof meant>[number]) =>
          Effect.suspend(() =>
            stopped
              ? Effect.void
              : Effect.matchEffect(act(letter), {
                  onSuccess: () =>
                    Effect.map(remove, () => {
                      tally = { ...tally, done: tally.done + 1 }
                    }),
                  onFailure: (reason) =>
                    Effect.sync(() => {
                      stopped ||= !isItsOwn(reason)
                      tally = { ...tally, failed: tally.failed + 1, failure: toError(letter, reason) }
                    })
                })
          )
        const letters = walk(browser, wantsMore).pipe(Stream.map(meant), Stream.flattenIterable)
        const paced =
          pause === undefined
            ? letters
            : Stream.throttle(Stream.rechunk(letters, 1), { cost: () => 1, units: 1, duration: pause })
        const run = paced.pipe(
          Stream.mapEffect(
            // An interruption in the middle would make a duplicate.
            (letter) => Effect.map(Effect.uninterruptible(end(letter)), () => tally),
            { concurrency: maxInFlight, unordered: true }
          ),
          Stream.runForEach(onProgress)
        )
        // The stream would go on beginning letters while it waits for those that it began.
        yield* Effect.acquireUseRelease(Effect.forkChild(Effect.interruptible(run)), Fiber.join, (fiber) =>
          Effect.suspend(() => {
            stopped = true
            return Fiber.interrupt(fiber)
          })
        ).pipe(Effect.onInterrupt(() => onProgress(tally)))
        return tally
      })
    )
  }

  const replay = (letter: DeadLetter.DeadLetter): Effect.Effect<void, Reason> => {
    const again = DeadLetter.replayed(letter)
    if (!QueueSpec.isDeadLetterQueue(queue)) return send(queue, again)
    // A dead letter of dead letters is one of the queue itself again, and goes on saying why.
    const origin = { queue: QueueSpec.originOf(queue), exchange: again.origin?.exchange }
    return send(queue, { ...again, origin, fault: letter.envelope.fault })
  }

  return {
    peek: ({ limit = 10, order = "oldest", ...filter } = {}) => {
      const most = fromOne("limit", limit)
      const letters: Array<DeadLetter.DeadLetter> = []
      const see = (letter: DeadLetter.DeadLetter) => {
        letters.push(letter)
        if (letters.length > most) letters.shift()
      }
      const isEnough = () => order === "oldest" && letters.length === most
      return Effect.map(look(filter, see, isEnough), (extent) => ({ ...extent, letters }))
    },
    groups: (filter = {}) => {
      const groups = new Map<string | undefined, Group>()
      const see = ({ envelope: { fault }, id, type }: DeadLetter.DeadLetter) => {
        const group = groups.get(fault?.fingerprint)
        groups.set(fault?.fingerprint, {
          fingerprint: fault?.fingerprint,
          reason: fault?.reason,
          type,
          sample: { id, message: fault?.message ?? "" },
          ...group,
          count: (group?.count ?? 0) + 1,
          first: earlier(group?.first, fault?.firstFailedAt),
          last: later(group?.last, fault?.lastFailedAt)
        })
      }
      return Effect.map(look(filter, see), (extent) => ({
        ...extent,
        groups: [...groups.values()].toSorted((a, b) => b.count - a.count)
      }))
    },
    replay: ({ rate, ...taking } = {}) => {
      if (rate !== undefined && !(rate > 0)) throw new RangeError(`rate must be more than 0, not ${rate}`)
      return settle(taking, replay, rate === undefined ? undefined : 1000 / rate)
    },
    edit: (id, payload, type) =>
      settle({ ids: [id], limit: 1 }, (letter) =>
        Effect.flatMap(Effect.fromResult(DeadLetter.edited(letter, payload, type)), replay)
      ).pipe(
        Effect.flatMap(({ done, failure, skipped }) => {
          if (done > 0) return Effect.void
          const detail = `it is none of the ${skipped} dead letters of "${queue}" that were looked at`
          return Effect.fail(failure ?? new BrokerError({ reason: new NotFound({ name: id, detail }) }))
        })
      ),
    discard: (taking) => settle(taking, () => Effect.void),
    put: (letter) =>
      Effect.mapError(send(name, { ...letter.envelope, ttl: undefined, persistent: true, attempt: 1 }), (reason) =>
        toError(letter, reason)
      )
  }
}

const earlier = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
const later = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)
