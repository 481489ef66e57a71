/**
 * A transform that keeps large payloads in a store, and sends their names alone.
 *
 * @since 0.1.0
 */

import { createHash } from "node:crypto"
import * as Broker from "effect-eventbus/Broker"
import type { QueueInfo } from "effect-eventbus/Broker"
import { BrokerError, NotBrowsable } from "effect-eventbus/BrokerError"
import * as QueueSpec from "effect-eventbus/QueueSpec"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { type Blob, BlobStore, type BlobStoreError, type Removal } from "./BlobStore.ts"
import { type BodyTransform, TransformError } from "./BodyTransform.ts"
import { textOf } from "./internal/bodyText.ts"
import { checkOver } from "./internal/checkOver.ts"
import * as SealedPayload from "./internal/sealedPayload.ts"
import * as WrappedBrokers from "./internal/wrappedBrokers.ts"

const failed = (error: BlobStoreError) =>
  new TransformError({ code: error.reason === "TooLarge" ? "BodyTooLarge" : "StoreFailed", detail: error.message })

/** Returns the name of a blob. */
const nameOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const none = new Uint8Array()

/**
 * Creates a transform that keeps payloads of more than `over` bytes (256 KiB by default)
 * in the `BlobStore`. It must be the last of the transforms.
 *
 * **Details**
 *
 * The name of a blob is the SHA-256 of its bytes, so retries and replays share one blob.
 * A blob is safe before its message is published. If the process is killed in between, a
 * blob is left over, and never a message without its blob. A message whose blob is gone
 * becomes a dead letter with the reason `BodyGone`.
 *
 * Nothing is removed by itself: see `sweep`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: {
  readonly over?: number | undefined
}): Effect.Effect<BodyTransform, never, BlobStore> => {
  const { over = 262_144 } = options ?? {}
  checkOver(over)
  return Effect.gen(function* () {
    const store = yield* BlobStore
    const transform: BodyTransform = {
      name: "blob",
      over,
      seal: Effect.fnUntraced(function* (bytes) {
        const sha256 = nameOf(bytes)
        yield* Effect.mapError(store.put(sha256, bytes), failed)
        return Option.some({ bytes: none, parameters: { sha256, bytes: bytes.length } })
      }),
      open: Effect.fnUntraced(function* ({ parameters }, _, limit) {
        const name = String(parameters.sha256)
        if (Number(parameters.bytes) > limit) {
          return yield* new TransformError({
            code: "BodyTooLarge",
            detail: `the body has ${parameters.bytes} bytes, the limit is ${limit}`
          })
        }
        const blob = yield* Effect.mapError(store.get(name, limit), failed)
        if (Option.isNone(blob)) {
          return yield* new TransformError({ code: "BodyGone", detail: `the store no longer has the body ${name}` })
        }
        if (nameOf(blob.value) !== name) {
          return yield* new TransformError({ code: "BodyCorrupt", detail: `the body ${name} was changed in the store` })
        }
        return blob.value
      })
    }
    return transform
  })
}

/** Lists the blobs that were not used since a time, in milliseconds since 1970. */
const unusedSince = (store: BlobStore["Service"], before: number) =>
  Stream.filter(store.list, ({ usedAt }) => usedAt < before)

const timeBefore = (duration: Duration.Input) =>
  Effect.map(Clock.currentTimeMillis, (now) => now - Duration.toMillis(duration))

/**
 * Removes the blobs that were not used for a time, and returns their number. Run it
 * regularly, such as once a day.
 *
 * **Gotchas**
 *
 * `olderThan` must be longer than any message waits, dead letters included. A message
 * renews its blob when it is published, retried, dead-lettered or replayed. If you keep
 * dead letters without an end, use `sweepOrphans`.
 *
 * @category running
 * @since 0.1.0
 */
export const sweep = Effect.fnUntraced(function* (options: {
  readonly olderThan: Duration.Input
}): Effect.fn.Return<number, BlobStoreError, BlobStore> {
  const store = yield* BlobStore
  const before = yield* timeBefore(options.olderThan)
  return yield* unusedSince(store, before).pipe(
    Stream.mapEffect(({ name }) => store.remove(name, before)),
    Stream.filter((removal) => removal === "removed"),
    Stream.runCount
  )
})

/**
 * Options of `orphans` and `sweepOrphans`.
 *
 * @category models
 * @since 0.1.0
 */
export interface OrphanOptions {
  /** The queues of all subscriptions. Their dead letters are looked at, too. */
  readonly queues: ReadonlyArray<string>
  /** A younger blob is no orphan, because its message may be on its way. */
  readonly olderThan: Duration.Input
}

/**
 * The findings of a look at the store and at the queues.
 *
 * @category models
 * @since 0.1.0
 */
export interface Survey {
  /** The blobs that no message refers to. */
  readonly orphans: ReadonlyArray<Blob>
  /** The queues whose messages cannot be looked at, as those of a quorum queue with a delivery limit. */
  readonly unseen: ReadonlyArray<QueueInfo>
  /** None of the orphans was used at this time or later, in milliseconds since 1970. */
  readonly unusedSince: number
}

/**
 * The name of a blob, wherever it stands: a message that is a CloudEvent has no payload, but data. A text that only
 * looks like a name keeps a blob, which does no harm.
 */
const blobName = /\b[\da-f]{64}\b/g

/**
 * Returns the names of the blobs that the messages of a queue refer to. Dead letters must all be seen: one that another
 * client holds would lose its payload.
 */
const referredBy = (broker: Broker.Broker["Service"], queue: string): Effect.Effect<Set<string>, BrokerError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const names = new Set<string>()
      const browser = yield* broker.browse(queue)
      let seen = 0
      while (seen < browser.waiting) {
        const taken = yield* browser.take(100)
        if (taken.length === 0) break
        seen += taken.length
        for (const { envelope } of taken) {
          for (const [name] of SealedPayload.isCandidate(envelope) ? textOf(envelope).matchAll(blobName) : []) {
            names.add(name)
          }
        }
      }
      if (QueueSpec.isDeadLetterQueue(queue) && (browser.consumers > 0 || seen < browser.waiting)) {
        const detail = "another client holds some of its messages, and their payloads must be known. Try again"
        return yield* new BrokerError({ reason: new NotBrowsable({ name: queue, detail }) })
      }
      return names
    })
  )

/** Asks a queue that seems to be empty again: a busy one is said to be. */
const certain = Schedule.spaced("100 millis").pipe(Schedule.upTo({ times: 5 }))

/** Looks at the messages of a queue. It is an error where dead letters cannot be looked at. */
const lookAt = Effect.fnUntraced(function* (
  broker: Broker.Broker["Service"],
  queue: string
): Effect.fn.Return<{ readonly names: Set<string>; readonly unseen: ReadonlyArray<QueueInfo> }, BrokerError> {
  const info = yield* broker.queueInfo(queue)
  if (Option.isNone(info)) return { names: new Set(), unseen: [] }
  return yield* Effect.map(referredBy(broker, queue), (names) => ({ names, unseen: [] })).pipe(
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotBrowsable" && !QueueSpec.isDeadLetterQueue(queue),
      () =>
        broker.queueInfo(queue).pipe(
          Effect.repeat({
            until: Option.match({ onNone: () => true, onSome: ({ consumers, messages }) => consumers + messages > 0 }),
            schedule: certain
          }),
          Effect.map(Option.filter(({ messages }) => messages > 0)),
          Effect.map((found) => ({ names: new Set<string>(), unseen: Option.toArray(found) }))
        )
    )
  )
})

/**
 * Looks for the `orphans`, and says which queues it could not look at.
 *
 * @category running
 * @since 0.1.0
 */
export const survey = Effect.fnUntraced(function* (
  options: OrphanOptions
): Effect.fn.Return<Survey, BlobStoreError | BrokerError, BlobStore | Broker.Broker> {
  const store = yield* BlobStore
  const broker = yield* Broker.Broker
  if (WrappedBrokers.has(broker)) {
    return yield* Effect.die(new RangeError("Provide the broker below the layer of Bodies, which opens the messages"))
  }
  const before = yield* timeBefore(options.olderThan)
  // Before the messages are looked at: one that goes on to another queue meanwhile renews its blob.
  const unused = yield* Stream.runCollect(unusedSince(store, before))
  if (unused.length === 0) return { orphans: [], unseen: [], unusedSince: before }
  const letters = options.queues.map(QueueSpec.deadLetterQueueOf)
  // A message may go from one to the other meanwhile, in either direction.
  const queues = [...new Set(letters), ...new Set(options.queues), ...new Set(letters)]
  const looks = yield* Effect.forEach(queues, (queue) => lookAt(broker, queue))
  return {
    orphans: unused.filter(({ name }) => !looks.some(({ names }) => names.has(name))),
    unseen: looks.flatMap(({ unseen }) => unseen),
    unusedSince: before
  }
})

/**
 * Returns the blobs that no message refers to: neither one that waits in the queues, nor
 * one of their dead letters. They are left over where a process was killed between the
 * blob and its message, and where messages have been handled.
 *
 * **Details**
 *
 * It needs the broker below the layer of `Bodies`, because that layer opens the messages.
 * It dies with a `RangeError` if it gets the layer.
 *
 * Messages are held back while their queue is browsed.
 *
 * **Gotchas**
 *
 * A message that is being handled, that is delayed or that waits for a retry is not seen.
 * Nor is one that waits in a queue which cannot be browsed, as a quorum queue with a
 * delivery limit. So `olderThan` must be longer than all of these take together. Dead
 * letters that you have exported are not seen either, nor are those that another process
 * replays or looks at: do not sweep meanwhile.
 *
 * **Example** (A sweep that keeps what dead letters need)
 *
 * ```ts
 * import { BlobStore, ClaimCheck } from "@effect-eventbus/bodies"
 * import { Effect, Layer } from "effect"
 * import { MemoryBroker } from "effect-eventbus"
 *
 * const sweep = ClaimCheck.sweepOrphans({ queues: ["billing"], olderThan: "2 days" })
 *
 * await Effect.runPromise(Effect.provide(sweep, Layer.merge(BlobStore.layerMemory, MemoryBroker.layer())))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const orphans = (
  options: OrphanOptions
): Effect.Effect<ReadonlyArray<Blob>, BlobStoreError | BrokerError, BlobStore | Broker.Broker> =>
  Effect.map(survey(options), ({ orphans }) => orphans)

/**
 * An orphan, and what became of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SweptBlob extends Blob {
  readonly removal: Removal
}

/**
 * Removes the orphans that a survey has found, and returns what became of each. A blob
 * that was used meanwhile stays.
 *
 * @category running
 * @since 0.1.0
 */
export const removeOrphans = Effect.fnUntraced(function* ({
  orphans,
  unusedSince
}: Pick<Survey, "orphans" | "unusedSince">): Effect.fn.Return<ReadonlyArray<SweptBlob>, BlobStoreError, BlobStore> {
  const store = yield* BlobStore
  return yield* Effect.forEach(orphans, (blob) =>
    Effect.map(store.remove(blob.name, unusedSince), (removal) => ({ ...blob, removal }))
  )
})

/**
 * Removes the `orphans`, and returns the number of those that are removed. A blob that
 * is used meanwhile stays.
 *
 * @category running
 * @since 0.1.0
 */
export const sweepOrphans = (
  options: OrphanOptions
): Effect.Effect<number, BlobStoreError | BrokerError, BlobStore | Broker.Broker> =>
  Effect.map(
    Effect.flatMap(survey(options), removeOrphans),
    (swept) => swept.filter(({ removal }) => removal === "removed").length
  )
