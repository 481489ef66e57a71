import { BlobStore, ClaimCheck } from "@effect-eventbus/bodies"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, type Layer, Option, type Scope, Stream } from "effect"

/** A store that a test has made, which goes with the scope. */
export interface Subject {
  /** A layer on this store, as each process builds its own. */
  readonly layer: Layer.Layer<BlobStore.BlobStore, unknown>
  /** Lets the blob's last use be this long ago. */
  readonly age: (name: string, millis: number) => Effect.Effect<void, unknown>
}

const day = 86_400_000
const bytesOf = (text: string) => new TextEncoder().encode(text)
const large = Uint8Array.from({ length: 2_000_000 }, (_, index) => index % 251)

const namesIn = (store: BlobStore.BlobStore["Service"]) =>
  Effect.map(Stream.runCollect(store.list), (blobs) => Array.from(blobs, ({ name }) => name).toSorted())

/** Runs what every store of blobs must do. */
export const run = (
  name: string,
  make: Effect.Effect<Subject, unknown, Scope.Scope>,
  { many = 50, skip = false }: { readonly many?: number; readonly skip?: boolean } = {}
): void => {
  const test = (
    title: string,
    use: (store: BlobStore.BlobStore["Service"], subject: Subject) => Effect.Effect<void, unknown, BlobStore.BlobStore>
  ) =>
    it.live(
      title,
      () =>
        Effect.gen(function* () {
          const subject = yield* make
          yield* Effect.flatMap(BlobStore.BlobStore, (store) => use(store, subject)).pipe(Effect.provide(subject.layer))
        }).pipe(Effect.scoped),
      60_000
    )

  describe.skipIf(skip)(`A store of blobs ${name}`, () => {
    test("returns what was put, also to another process, whatever its name and size", (store, { layer }) =>
      Effect.gen(function* () {
        const blobs = new Map([
          ["a/b c%25?é*~'\\", bytesOf("odd")],
          ["empty", new Uint8Array()],
          ["large", large]
        ])
        for (const [name, bytes] of blobs) yield* store.put(name, bytes)
        yield* Effect.gen(function* () {
          const other = yield* BlobStore.BlobStore
          for (const [name, bytes] of blobs) {
            const found = Option.getOrUndefined(yield* other.get(name, bytes.length))
            assert.isTrue(found !== undefined && Buffer.from(found).equals(bytes), name)
          }
          assert.deepStrictEqual(yield* namesIn(other), [...blobs.keys()].toSorted())
        }).pipe(Effect.provide(layer, { local: true }))
      }))

    test("has nothing that was not put, and removes what is there", (store) =>
      Effect.gen(function* () {
        assert.isTrue(Option.isNone(yield* store.get("none", 100)))
        yield* store.put("one", bytesOf("one"))
        assert.strictEqual(yield* store.remove("one"), "removed")
        assert.strictEqual(yield* store.remove("one"), "missing")
        assert.strictEqual(yield* store.remove("none", Date.now()), "missing")
        assert.isTrue(Option.isNone(yield* store.get("one", 100)))
        assert.deepStrictEqual(yield* namesIn(store), [])
      }))

    test("reads no blob over the limit", (store) =>
      Effect.gen(function* () {
        yield* store.put("large", large)
        const error = yield* Effect.flip(store.get("large", large.length - 1))
        assert.deepStrictEqual([error.reason, error.isRetryable], ["TooLarge", false])
        assert.include(error.message, "has 2000000 bytes, the limit is 1999999")
      }))

    test("keeps one blob of what many put at once", (store) =>
      Effect.gen(function* () {
        const puts = Array.from({ length: 10 }, () => store.put("same", large))
        yield* Effect.all(puts, { concurrency: "unbounded", discard: true })
        assert.deepStrictEqual(yield* namesIn(store), ["same"])
        assert.deepStrictEqual(
          Option.map(yield* store.get("same", large.length), ({ length }) => length),
          Option.some(large.length)
        )
      }))

    test("lists each blob once, page by page", (store) =>
      Effect.gen(function* () {
        const names = Array.from({ length: many }, (_, index) => `blob-${String(index).padStart(3, "0")}`)
        yield* Effect.forEach(names, (name) => store.put(name, bytesOf(name)), { concurrency: 20, discard: true })
        assert.deepStrictEqual(yield* namesIn(store), names)
      }))

    test("sweeps what was not used for long, and keeps what is used again meanwhile", (store, { age }) =>
      Effect.gen(function* () {
        for (const name of ["old", "again", "listed"]) {
          yield* store.put(name, bytesOf(name))
          yield* age(name, 3 * day)
        }
        const before = (yield* Clock.currentTimeMillis) - 2 * day
        for (const { usedAt } of yield* Stream.runCollect(store.list)) assert.isBelow(usedAt, before)
        yield* store.put("again", bytesOf("again"))
        yield* store.put("new", bytesOf("new"))
        // A sweep has seen it, and then it is put again.
        yield* store.put("listed", bytesOf("listed"))
        assert.strictEqual(yield* store.remove("listed", before), "used")
        assert.strictEqual(yield* ClaimCheck.sweep({ olderThan: "2 days" }), 1)
        assert.deepStrictEqual(yield* namesIn(store), ["again", "listed", "new"])
      }))
  })
}
