/**
 * The dead letters of a queue, for operators: look at them, replay them, delete them.
 *
 * Looking changes nothing: every dead letter stays, in its order. A dead letter that
 * is replayed is safe in its queue before it leaves the dead letters, so that a crash
 * in between makes a duplicate, never a loss.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Broker } from "../broker/Broker.ts"
import { BrokerError, NotFound } from "../broker/BrokerError.ts"
import type { Envelope } from "../broker/Envelope.ts"
import type { Fault } from "../broker/Fault.ts"
import type { EncodeFailed, PublishError } from "../broker/PublishError.ts"
import * as QueueSpec from "../broker/QueueSpec.ts"
import type * as EventType from "../event/EventType.ts"
import * as DeadLetter from "./DeadLetter.ts"
import type * as DeadLetterFilter from "./DeadLetterFilter.ts"
import { bulk, toError } from "./internal/bulk.ts"
import { Grouping } from "./internal/grouping.ts"
import * as redelivery from "./internal/redelivery.ts"
import { scan, type Source } from "./internal/scan.ts"
import { snapshot } from "./internal/snapshot.ts"

/**
 * The number of dead letters that were looked at, and the number that waited.
 *
 * **Details**
 *
 * `looked` is smaller than `waiting` when enough were found, when `maxHeld` was reached, or
 * when another process took some of them meanwhile. `consumers` is the number of consumers
 * that the queue had at the start. It is above 0 when a subscription handles the dead
 * letters, or when a process looks without a lock. What those hold was not looked at, and
 * is not counted in `waiting`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scan {
  readonly looked: number
  readonly waiting: number
  readonly consumers: number
}

/**
 * The result of `peek`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peeked extends Scan {
  /** The selected dead letters, in the order in which they wait. */
  readonly letters: ReadonlyArray<DeadLetter.DeadLetter>
}

/**
 * The dead letters of one fingerprint: the same failure, many times.
 *
 * @category models
 * @since 0.1.0
 */
export interface Group {
  /** `undefined`, like the reason, when the dead letters have no fault. */
  readonly fingerprint: string | undefined
  readonly reason: string | undefined
  readonly type: string | undefined
  readonly count: number
  /** The number of keys of an ordered subscription that they have, if they have any. */
  readonly keys?: number | undefined
  /** That key, if they have only one. */
  readonly key?: string | undefined
  /** The time of the earliest first failure, in milliseconds since 1970. */
  readonly first: number | undefined
  /** The time of the latest last failure, in milliseconds since 1970. */
  readonly last: number | undefined
  /** The first of the group in the queue. */
  readonly sample: { readonly id: string; readonly message: string }
}

/**
 * A dead letter in a snapshot.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary extends Pick<Envelope, "timestamp" | "traceId" | "source" | "routingKey" | "round" | "key"> {
  /** Its place among those that were looked at, from 0. */
  readonly ordinal: number
  readonly id: string
  readonly type: string | undefined
  /** The size of its body. */
  readonly bytes: number
  readonly fault: Omit<Fault, "stack"> | undefined
  /** The whole of it. `undefined`: it went beyond `maxBytes`. */
  readonly letter: DeadLetter.DeadLetter | undefined
}

/**
 * The result of `snapshot`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot extends Scan {
  /** The time of the look, in milliseconds since 1970. */
  readonly takenAt: number
  /** The selected dead letters, in the order in which they wait. */
  readonly letters: ReadonlyArray<Summary>
  /** The same, grouped by fingerprint, the largest group first. */
  readonly groups: ReadonlyArray<Group>
}

/**
 * Options of `snapshot`: a filter, and a bound.
 *
 * @category models
 * @since 0.1.0
 */
export interface SnapshotOptions extends DeadLetterFilter.DeadLetterFilter {
  /**
   * The largest sum of the bodies and stacks to keep, in bytes. 0 keeps none. Default:
   * 64 MiB.
   */
  readonly maxBytes?: number | undefined
}

/**
 * The outcome of `replay` or `discard`. `done`, `skipped` and `failed` add up to the
 * number of dead letters that were looked at. That is less than `waiting` at the limit, at
 * `maxHeld`, or when another process took some of them meanwhile.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReplayResult {
  /** The number of dead letters that waited at the start. */
  readonly waiting: number
  /** The number that was replayed, or deleted. */
  readonly done: number
  /** The number that the filter did not select. They stay in their places. */
  readonly skipped: number
  /** The number that could not be published. They stay in their places. */
  readonly failed: number
  /** The reason of the latest failure. */
  readonly failure: PublishError | undefined
}

/**
 * Options of `replay` and `discard`: a filter, a limit, and a listener.
 *
 * @category models
 * @since 0.1.0
 */
export interface BulkOptions extends DeadLetterFilter.DeadLetterFilter {
  /** The largest number of dead letters to take, the oldest first. Default: all that wait at the start. */
  readonly limit?: number | undefined
  /**
   * A predicate of your own, beside the filter. It is called once for each dead letter that the filter selects, in their
   * order. Ids do not tell all dead letters apart: an event may be among them twice.
   */
  readonly where?: ((letter: DeadLetter.DeadLetter) => boolean) | undefined
  /**
   * A listener, called after each dead letter and once more on interruption. The operation
   * waits for it, so a look at the same dead letters from there fails with `NotBrowsable`.
   */
  readonly onProgress?: ((result: ReplayResult) => Effect.Effect<void>) | undefined
  /** A listener, called with each dead letter that was taken, as it was before, also on interruption. */
  readonly onTaken?: ((letter: DeadLetter.DeadLetter) => Effect.Effect<void>) | undefined
  /** A listener, called with the failure of each dead letter that could not be published. */
  readonly onFailed?: ((error: PublishError) => Effect.Effect<void>) | undefined
}

/**
 * Options of `replay`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReplayOptions extends BulkOptions {
  /** The largest number of replays per second, evenly spread. Default: no limit. */
  readonly rate?: number | undefined
}

/**
 * Options of `editAll`.
 *
 * @category models
 * @since 0.1.0
 */
export interface EditAllOptions extends ReplayOptions {
  /** Whether the edited ones stay among the dead letters, at their end and with their faults. Default: false. */
  readonly keep?: boolean | undefined
}

/**
 * The dead letters of a queue, as `EventBus.deadLetters` returns them.
 *
 * **Details**
 *
 * A queue without dead letters fails with a `NotFound`. RabbitMQ counts how often a
 * message was taken and given back, so a dead-letter queue that another service
 * declared with a delivery limit fails with a `NotBrowsable`.
 *
 * **Gotchas**
 *
 * Dead letters are held back while they are looked at. So on one broker layer, the
 * operations on the dead letters of a queue take turns, also those of several buses: a look
 * waits for the replay before it. It may be interrupted, and has no limit of its own.
 *
 * Operations of other processes take turns with those of this one, and wait for the
 * connection timeout at most. Where a user may not declare the lock for that, two looks at
 * once see a part each, and may change the order. The `consumers` of a result tell of that.
 *
 * A dead letter that was looked at counts as delivered before, so an at-most-once
 * subscription to the dead letters discards it.
 *
 * **Example** (Replaying the dead letters of one failure)
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
  /** Returns the selected dead letters, oldest first: the 10 oldest, unless the options say otherwise. */
  readonly peek: (
    options?: DeadLetterFilter.DeadLetterFilter & {
      /** Default: 10. */
      readonly limit?: number | undefined
      /** The end of the queue to take from. `newest` reads past all others. Default: `oldest`. */
      readonly order?: "oldest" | "newest" | undefined
    }
  ) => Effect.Effect<Peeked, BrokerError>
  /** Groups the selected dead letters by fingerprint, the largest group first. */
  readonly groups: (
    filter?: DeadLetterFilter.DeadLetterFilter
  ) => Effect.Effect<Scan & { readonly groups: ReadonlyArray<Group> }, BrokerError>
  /**
   * Returns all selected dead letters from one look, with their groups. The whole dead
   * letters come along up to a bound, the oldest first, so that you can list, page, group
   * and show them without another look.
   */
  readonly snapshot: (options?: SnapshotOptions) => Effect.Effect<Snapshot, BrokerError>
  /**
   * Delivers dead letters again, as on their first attempt, with their round counted.
   * They go only to the queue that dead-lettered them. A dead letter that comes back in
   * the meantime is not replayed again.
   *
   * The dead letters of an ordered subscription stay where they are until its consumer has
   * handled them, one after another. A replay asks it to do so, and counts them as done.
   * Where it selects the first one of a key, it replays the whole key, and otherwise none.
   *
   * The replay stops at the first failure that would affect all other dead letters too.
   */
  readonly replay: (options?: ReplayOptions) => Effect.Effect<ReplayResult, BrokerError>
  /**
   * Delivers a dead letter again with another payload, in its JSON form or as JSON text.
   * With a type, the payload must match its schema. Fails with `EncodeFailed` when it does
   * not, or when the dead letter is not an event.
   */
  readonly edit: (
    id: string,
    payload: Schema.JsonObject | string,
    type?: EventType.Any
  ) => Effect.Effect<void, BrokerError | PublishError>
  /**
   * Edits dead letters in one pass, such as with `DeadLetter.edited`, and delivers each
   * again. Those that cannot be edited stay in their places and count as failed. So do
   * those of an ordered subscription.
   */
  readonly editAll: (
    edit: (letter: DeadLetter.DeadLetter) => Result.Result<DeadLetter.DeadLetter, EncodeFailed>,
    options?: EditAllOptions
  ) => Effect.Effect<ReplayResult, BrokerError>
  /** Permanently deletes dead letters. `{}` selects all of them. */
  readonly discard: (options: BulkOptions) => Effect.Effect<ReplayResult, BrokerError>
  /** Adds a dead letter, such as one that you have exported before. */
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
   * The number of dead letters that may be held back at once while you look at them. The
   * broker keeps track of each. Default: 10,000.
   */
  readonly maxHeld?: number | undefined
}

const defaultMaxBytes = 64 * 1024 * 1024

const fromLeast = (least: number, what: string, value: number): number => {
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(`${what} must be a whole number of at least ${least}, not ${value}`)
  }
  return value
}

const checkBulk = (options: BulkOptions): BulkOptions => {
  if (options.limit !== undefined) fromLeast(1, "limit", options.limit)
  return options
}

/** Returns the milliseconds between two replays, if there is a rate. */
const pauseOf = (rate: number | undefined): number | undefined => {
  if (rate !== undefined && !(rate > 0)) throw new RangeError(`rate must be more than 0, not ${rate}`)
  return rate === undefined ? undefined : 1000 / rate
}

/**
 * Returns the dead letters of a queue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (broker: Broker["Service"], queue: string, options: Options = {}): DeadLetters => {
  const name = QueueSpec.deadLetterQueueOf(QueueSpec.checkQueue(queue))
  const source: Source = { broker, name, maxHeld: fromLeast(1, "maxHeld", options.maxHeld ?? 10_000) }

  const { edited, isOrdered, put, replay } = redelivery.make(source, queue)

  return {
    peek: ({ limit = 10, order = "oldest", ...filter } = {}) => {
      const most = fromLeast(1, "limit", limit)
      return Effect.suspend(() => {
        const letters: Array<DeadLetter.DeadLetter> = []
        const show = (letter: DeadLetter.DeadLetter) => {
          letters.push(letter)
          if (letters.length > most) letters.shift()
        }
        const isEnough = () => order === "oldest" && letters.length === most
        return Effect.map(scan(source, filter, show, isEnough), (scanned) => ({ ...scanned, letters }))
      })
    },
    groups: (filter = {}) =>
      Effect.suspend(() => {
        const grouping = new Grouping()
        return Effect.map(
          scan(source, filter, (letter) => grouping.add(letter)),
          (scanned) => ({ ...scanned, groups: grouping.bySize })
        )
      }),
    snapshot: ({ maxBytes = defaultMaxBytes, ...filter } = {}) =>
      snapshot(source, filter, fromLeast(0, "maxBytes", maxBytes)),
    replay: ({ rate, ...options } = {}) => bulk(source, checkBulk(options), replay, pauseOf(rate), isOrdered),
    edit: (id, payload, type) =>
      bulk(
        source,
        { ids: [id], limit: 1 },
        edited((letter) => DeadLetter.edited(letter, payload, type), replay, redelivery.keyOf)
      ).pipe(
        Effect.flatMap(({ done, failure, skipped }) => {
          if (done > 0) return Effect.void
          const detail = `it is not among the ${skipped} dead letters of "${queue}" that were looked at`
          return Effect.fail(failure ?? new BrokerError({ reason: new NotFound({ name: id, detail }) }))
        })
      ),
    editAll: (edit, { keep = false, rate, ...options } = {}) =>
      bulk(source, checkBulk(options), edited(edit, keep ? put : replay), pauseOf(rate)),
    discard: (options) => bulk(source, checkBulk(options), () => Effect.void),
    put: (letter) => Effect.mapError(put(letter), (reason) => toError(letter, reason))
  }
}
