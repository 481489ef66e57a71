/**
 * A store of payloads that are too large for a broker.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/**
 * A store that did not do what it was asked for.
 *
 * @category errors
 * @since 0.1.0
 */
export class BlobStoreError extends Schema.TaggedError<BlobStoreError>("effect-eventbus/bodies/BlobStoreError")(
  "BlobStoreError",
  {
    /**
     * `Unavailable`: it may answer later. `Denied`: this service lacks a right, or has wrong credentials. `TooLarge`: the
     * blob has more bytes than were asked for.
     */
    reason: Schema.Literals(["Unavailable", "Denied", "TooLarge"]),
    detail: Schema.String
  }
) {
  override get message(): string {
    return `The blob store failed: ${this.detail}`
  }
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }
}

/**
 * Returns the error of a blob that has too many bytes.
 *
 * @category errors
 * @since 0.1.0
 */
export const tooLarge = (name: string, bytes: number, limit: number): BlobStoreError =>
  new BlobStoreError({ reason: "TooLarge", detail: `the blob ${name} has ${bytes} bytes, the limit is ${limit}` })

/**
 * A blob in a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Blob {
  readonly name: string
  /** The time of the last `put`, in milliseconds since 1970. */
  readonly usedAt: number
}

/**
 * The outcome of a removal: the blob is removed, it stays because it was `used`
 * meanwhile, or it is `missing` already.
 *
 * @category models
 * @since 0.1.0
 */
export type Removal = "removed" | "used" | "missing"

/**
 * A store of blobs by name. Two blobs of one name have the same bytes, so a `put` of a
 * blob that is there only renews its time.
 *
 * @category services
 * @since 0.1.0
 */
export class BlobStore extends Context.Service<
  BlobStore,
  {
    /** Returns when the blob is safe. */
    readonly put: (name: string, bytes: Uint8Array) => Effect.Effect<void, BlobStoreError>
    /** Reads a blob. Fails with `TooLarge`, and reads nothing, if it has more than `limit` bytes. */
    readonly get: (name: string, limit: number) => Effect.Effect<Option.Option<Uint8Array>, BlobStoreError>
    /**
     * Removes a blob, if it is there. With a time in milliseconds since 1970, it stays if it was used at that time or
     * later.
     */
    readonly remove: (name: string, unusedSince?: number) => Effect.Effect<Removal, BlobStoreError>
    /** Lists all blobs. */
    readonly list: Stream.Stream<Blob, BlobStoreError>
  }
>()("effect-eventbus/bodies/BlobStore") {}

/**
 * A layer with a store in this process's memory, for tests.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<BlobStore> = Layer.sync(BlobStore, () => {
  const blobs = new Map<string, { readonly bytes: Uint8Array; readonly usedAt: number }>()
  return {
    put: (name, bytes) => Effect.map(Clock.currentTimeMillis, (usedAt) => void blobs.set(name, { bytes, usedAt })),
    get: (name, limit) =>
      Effect.suspend(() => {
        const bytes = blobs.get(name)?.bytes
        return bytes !== undefined && bytes.length > limit
          ? Effect.fail(tooLarge(name, bytes.length, limit))
          : Effect.succeed(Option.fromUndefinedOr(bytes))
      }),
    remove: (name, unusedSince = Infinity) =>
      Effect.sync(() => {
        const blob = blobs.get(name)
        if (blob === undefined) return "missing"
        if (blob.usedAt >= unusedSince) return "used"
        blobs.delete(name)
        return "removed"
      }),
    list: Stream.suspend(() => Stream.fromIterable(Array.from(blobs, ([name, { usedAt }]) => ({ name, usedAt }))))
  }
})

const failed = (error: PlatformError) =>
  new BlobStoreError({
    reason: error.reason._tag === "PermissionDenied" ? "Denied" : "Unavailable",
    detail: error.message
  })

const isThere = (error: PlatformError): boolean => error.reason._tag === "AlreadyExists"

const isMissing = (error: PlatformError): boolean => error.reason._tag === "NotFound"

/**
 * Creates a layer with a store in a folder, one file a blob. Services on several
 * machines share it over a network file system.
 *
 * **Details**
 *
 * A blob is written to a file of its own, synced to disk, and then linked, so that a
 * reader never sees a part of one. The folder is created if it is missing.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFileSystem = (options: {
  readonly directory: string
}): Layer.Layer<BlobStore, BlobStoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    BlobStore,
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const { directory } = options
      yield* Effect.mapError(files.makeDirectory(directory, { recursive: true }), failed)
      const fileOf = (name: string) => path.join(directory, encodeURIComponent(name))

      /** Returns the time of a file. `None`: it was removed meanwhile. */
      const timeOf = (file: string): Effect.Effect<Option.Option<number>, PlatformError> =>
        files.stat(file).pipe(
          Effect.map(({ mtime }) => Option.map(mtime, (time) => time.getTime())),
          Effect.catchIf(isMissing, () => Effect.succeed(Option.none<number>()))
        )

      const write = (file: string, bytes: Uint8Array) =>
        Effect.scoped(
          Effect.gen(function* () {
            const temporary = yield* files.makeTempFileScoped({ directory, prefix: "writing-" })
            const handle = yield* files.open(temporary, { flag: "w" })
            yield* handle.writeAll(bytes)
            yield* handle.sync
            // Another process may have written the same bytes meanwhile.
            yield* Effect.catchIf(files.link(temporary, file), isThere, () => Effect.void)
          })
        )

      return BlobStore.of({
        put: (name, bytes) =>
          Effect.gen(function* () {
            const now = (yield* Clock.currentTimeMillis) / 1000
            const file = fileOf(name)
            const touch = files.utimes(file, now, now)
            yield* Effect.catchIf(touch, isMissing, () => Effect.andThen(write(file, bytes), touch))
          }).pipe(Effect.mapError(failed)),
        get: (name, limit) =>
          Effect.gen(function* () {
            const { size } = yield* files.stat(fileOf(name))
            if (size > limit) return yield* tooLarge(name, Number(size), limit)
            return Option.some(yield* files.readFile(fileOf(name)))
          }).pipe(
            Effect.catchIf(
              (error) => error._tag === "PlatformError" && isMissing(error),
              () => Effect.succeedNone
            ),
            Effect.catchTag("PlatformError", (error) => Effect.fail(failed(error)))
          ),
        remove: Effect.fnUntraced(
          function* (name, unusedSince = Infinity) {
            const file = fileOf(name)
            const usedAt = yield* timeOf(file)
            if (Option.isNone(usedAt)) return "missing"
            if (usedAt.value >= unusedSince) return "used"
            yield* files.remove(file)
            return "removed"
          },
          Effect.catchIf(isMissing, () => Effect.succeed("missing" as const)),
          Effect.mapError(failed)
        ),
        list: Stream.fromIterableEffect(files.readDirectory(directory)).pipe(
          Stream.filter((file) => !file.startsWith("writing-")),
          Stream.mapEffect((file) =>
            Effect.map(
              timeOf(path.join(directory, file)),
              Option.map((usedAt) => ({ name: decodeURIComponent(file), usedAt }))
            )
          ),
          Stream.filter(Option.isSome),
          Stream.map(({ value }) => value),
          Stream.mapError(failed)
        )
      })
    })
  )
