import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Compatibility, Contract, ContractLock, Corpus } from "@effect-eventbus/inspect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { EventType, Subscription } from "effect-eventbus"
import { changes, Node, type Options, renamed, Shape } from "./changes.ts"

const withLock = <A, E>(use: (lockFile: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "eventbus-test-"))),
    (folder) => use(join(folder, "contract.lock.json")),
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )

const contractOf = (exports: Readonly<Record<string, unknown>>) =>
  Contract.fromExports(exports, { title: "shop", version: "1.0.0" })

/** Records one module, and checks another against it. */
const compare = (old: Readonly<Record<string, unknown>>, now: Readonly<Record<string, unknown>>) =>
  withLock((lockFile) =>
    Effect.gen(function* () {
      const lock = yield* ContractLock.record(ContractLock.empty, yield* contractOf(old), lockFile)
      return yield* Compatibility.check(yield* contractOf(now), lock, lockFile)
    })
  )

const audit = Subscription.make("audit", { patterns: ["#"] })

const typed = (options: Options) => EventType.make("order.placed", options)
const read = (options: Options) => ({
  audit,
  billing: Subscription.make("billing", { events: [typed(options)] })
})

const only = (findings: ReadonlyArray<Compatibility.Finding>) => {
  const [finding, ...others] = findings
  assert.isDefined(finding)
  assert.deepStrictEqual(others, [])
  return finding
}

const { Array: List, DateTimeUtc, Finite, Int, optionalKey, String, Struct } = Schema

const v1 = (payload: EventType.PayloadSchema): Options => ({ payload })
const of = (a: Schema.ConstraintCodec<unknown, unknown>) => v1(Struct({ a }))
const field = { a: String }
const table = changes({})

describe("Compatibility.check", () => {
  for (const [kind, old, now, first, change] of table) {
    it.effect(`${kind}: ${first}`, () =>
      Effect.gen(function* () {
        const finding = only(yield* compare(read(old), read(now)))
        assert.strictEqual(finding.first, first, JSON.stringify(finding))
        const isBreaking = first === "producers" || first === "neither"
        assert.strictEqual(Compatibility.isBreaking(finding), isBreaking, JSON.stringify(finding))
        assert.deepStrictEqual(
          [...new Set(finding.breaks.map(({ consumer }) => consumer))],
          isBreaking ? ["billing"] : []
        )
        assert.deepStrictEqual(finding.readers, isBreaking ? ["audit"] : ["audit", "billing"])
        if (change !== undefined) assert.deepStrictEqual(finding.changes, [change])
      })
    )
  }

  it("the table has at least 30 kinds", () => {
    assert.isAtLeast(table.length, 30)
  })

  it.effect("names each consumer, the version that it cannot read, and why", () =>
    Effect.gen(function* () {
      const shipping = Subscription.make("shipping", { events: [typed(v1(Struct(field)))] })
      const finding = only(yield* compare(read(v1(Struct(field))), { ...read(renamed(false)), shipping }))
      assert.deepStrictEqual(finding.changes, ['"b" became required'])
      assert.deepStrictEqual(finding.breaks, [
        { consumer: "billing", version: 1, reason: "no step from 1" },
        { consumer: "shipping", version: 2, reason: "it reads versions up to 1" }
      ])
      assert.deepStrictEqual(finding.readers, ["audit"])
    })
  )

  it.effect("takes the type itself for its consumers if the module only publishes it", () =>
    Effect.gen(function* () {
      const finding = only(yield* compare({ type: typed(of(Int)) }, { type: typed(of(String)) }))
      assert.deepStrictEqual(finding.breaks, [{ consumer: "its consumers", version: 1, reason: undefined }])
      const published = only(yield* compare({ type: typed(of(Int)) }, { type: typed(of(Int)) }))
      assert.deepStrictEqual(published.readers, ["its consumers"])
    })
  )

  it.effect("breaks where a subscription no longer receives a type, but not where it is gone", () =>
    Effect.gen(function* () {
      const other = EventType.make("order.paid", { payload: Struct(field) })
      const before = { billing: Subscription.make("billing", { events: [typed(of(Int)), other] }) }
      const after = { billing: Subscription.make("billing", { events: [other] }) }
      const [paid, placed] = yield* compare(before, after)
      assert.deepStrictEqual(paid?.breaks, [])
      assert.deepStrictEqual(placed?.breaks, [
        { consumer: "billing", version: 1, reason: "it no longer receives the type" }
      ])
      const [, gone] = yield* compare(before, { books: Subscription.make("books", { events: [other] }) })
      assert.deepStrictEqual(gone?.breaks, [])
    })
  )

  const recorded = (lockFile: string, modules: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
    Effect.reduce(
      modules,
      () => ContractLock.empty,
      (lock, module) => Effect.flatMap(contractOf(module), (contract) => ContractLock.record(lock, contract, lockFile))
    )

  it.effect("remembers each form of a version: a field that comes back with another type breaks", () =>
    withLock((lockFile) =>
      Effect.gen(function* () {
        const [first, second] = [v1(Struct({ ...field, b: optionalKey(Int) })), v1(Struct(field))]
        const lock = yield* recorded(lockFile, [read(first), read(second), read(second)])
        assert.strictEqual(lock.types.length, 2)
        const third = yield* contractOf(read(v1(Struct({ ...field, b: optionalKey(String) }))))
        assert.deepStrictEqual(only(yield* Compatibility.check(third, lock, lockFile)).changes, [
          '"b" was integer and became string'
        ])
      })
    )
  )

  it.effect("reads the payloads that were added to the corpus, and fails where there are none", () =>
    withLock((lockFile) =>
      Effect.gen(function* () {
        const rare = Struct({
          a: String.check(Schema.makeFilter((text) => text !== "the one that no generator finds"))
        })
        const lock = yield* recorded(lockFile, [read(v1(Struct(field)))])
        const now = yield* contractOf(read(v1(rare)))
        const check = Effect.map(Compatibility.check(now, lock, lockFile), only)
        assert.isFalse(Compatibility.isBreaking(yield* check))
        const payload = { a: "the one that no generator finds" }
        assert.strictEqual(yield* Corpus.add(lockFile, "order.placed", 1, [payload, payload]), 1)
        assert.strictEqual(yield* Corpus.add(lockFile, "order.placed", 1, [payload]), 0)
        assert.deepStrictEqual((yield* check).breaks, [
          {
            consumer: "billing",
            version: 1,
            reason: "the schema of order.placed refuses payload.a"
          }
        ])
        yield* Effect.promise(() => rm(Corpus.folder(lockFile, "order.placed", 1), { recursive: true }))
        assert.deepStrictEqual((yield* check).untried, [1])
        assert.isTrue(Compatibility.isBreaking(yield* check))
      })
    )
  )

  it.effect("says whether the form of a type is recorded", () =>
    Effect.gen(function* () {
      assert.isTrue(only(yield* compare(read(of(Int)), read(of(Int)))).isRecorded)
      assert.isFalse(only(yield* compare(read(of(Int)), read(of(Finite)))).isRecorded)
    })
  )

  /** Checks so many types, and returns the seconds of the processor that it took. */
  const costOf = (count: number) =>
    withLock((lockFile) =>
      Effect.gen(function* () {
        const payload = Struct({
          id: String,
          at: DateTimeUtc,
          lines: List(Struct({ text: String, cents: Int })),
          Shape
        })
        const types = Array.from({ length: count }, (_, n) => EventType.make(`type.n${n}`, { payload }))
        const [first, ...others] = types
        assert.isDefined(first)
        const module = { billing: Subscription.make("billing", { events: [first, ...others] }) }
        const lock = yield* recorded(lockFile, [module])
        const started = process.cpuUsage()
        const findings = yield* Compatibility.check(yield* contractOf(module), lock, lockFile)
        const { system, user } = process.cpuUsage(started)
        assert.strictEqual(findings.length, count)
        assert.isTrue(findings.every(({ first }) => first === "any"))
        return (system + user) / 1e6
      })
    )

  it.effect("checks 50 types within three seconds", () =>
    Effect.gen(function* () {
      const few = yield* costOf(5)
      // A slow machine is slow with five types, too.
      assert.isBelow(yield* costOf(50), Math.max(3, 4 * 10 * few))
    })
  )
})

describe("Corpus", () => {
  it.effect("has 500 payloads of each form, the same each time", () =>
    withLock((lockFile) =>
      Effect.gen(function* () {
        const type = typed(v1(Struct({ ...field, n: Int })))
        assert.isAtLeast(yield* Corpus.addArbitrary(lockFile, type, "one"), 450)
        yield* Corpus.addArbitrary(lockFile, type, "one")
        assert.strictEqual((yield* Effect.promise(() => readdir(Corpus.folder(lockFile, type.name, 1)))).length, 1)
        assert.deepStrictEqual(yield* Corpus.read(lockFile, type.name, 1), yield* Corpus.arbitrary(type))
      })
    )
  )

  it.effect("names the file that is no payload", () =>
    withLock((lockFile) =>
      Effect.gen(function* () {
        yield* Corpus.add(lockFile, "order.placed", 1, [{ a: 1 }])
        const file = join(Corpus.folder(lockFile, "order.placed", 1), "wrong.json")
        yield* Effect.promise(() => writeFile(file, "[]"))
        const error = yield* Effect.flip(Corpus.read(lockFile, "order.placed", 1))
        assert.strictEqual(error.reason._tag, "InvalidLock")
        assert.include(error.message, "wrong.json")
      })
    )
  )
})

describe("ContractLock", () => {
  it.effect("is the same after it was written and read, and names a file that is none", () =>
    withLock((lockFile) =>
      Effect.gen(function* () {
        assert.include((yield* Effect.flip(ContractLock.read(lockFile))).message, "there is no such file")
        const lock = yield* ContractLock.record(ContractLock.empty, yield* contractOf(read(of(Node))), lockFile)
        yield* ContractLock.write(lockFile, lock)
        assert.deepStrictEqual(yield* ContractLock.read(lockFile), lock)
        yield* Effect.promise(() => writeFile(lockFile, "{}"))
        assert.strictEqual((yield* Effect.flip(ContractLock.read(lockFile))).reason._tag, "InvalidLock")
      })
    )
  )

  it.effect("takes an older version that was never recorded from its step", () =>
    withLock((lockFile) =>
      Effect.gen(function* () {
        const lock = yield* ContractLock.record(ContractLock.empty, yield* contractOf(read(renamed(true))), lockFile)
        assert.deepStrictEqual(
          lock.types.map(({ version }) => version),
          [1, 2]
        )
      })
    )
  )
})
