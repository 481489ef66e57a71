import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Option, Redacted, Schema } from "effect"
import { Fault } from "effect-eventbus"

class Broken extends Data.TaggedError("Broken")<{ readonly [field: string]: unknown }> {}
class DbFailed extends Data.TaggedError("DbFailed")<{ readonly cause: unknown; readonly table?: string }> {}
class Insufficient extends Schema.TaggedError<Insufficient>()("Insufficient", {
  balance: Schema.BigInt,
  limit: Schema.Option(Schema.Number)
}) {}

const ofCause = (cause: Cause.Cause<unknown>) => Fault.fromCause(cause, { attempts: 1, now: 0 })
const ofError = (error: unknown) => ofCause(Cause.fail(error))
const message = (error: unknown) => ofError(error).message

const refused = new Error("connect ECONNREFUSED db:5432")
const circle: Record<string, unknown> = { url: "/pay" }
circle["self"] = circle

describe("ErrorText", () => {
  describe("an error without a message says its fields", () => {
    const fields: Readonly<Record<string, readonly [value: unknown, text: string]>> = {
      "a number": [1.5, "1.5"],
      "no number": [Number.NaN, "NaN"],
      "a bigint": [12n, "12n"],
      "a circle": [circle, '{"url":"/pay","self":"[Circular]"}'],
      "a set": [new Set([1, "a"]), 'Set[1,"a"]'],
      "a map": [new Map([["k", { v: [null] }]]), 'Map{"k":{"v":[null]}}'],
      "an option": [Option.some(1), '{"_id":"Option","_tag":"Some","value":1}'],
      "a date": [new Date(0), '"1970-01-01T00:00:00.000Z"'],
      "a secret": [Redacted.make("hunter2"), '"<redacted>"'],
      "an error": [new TypeError("inner"), '"TypeError: inner"'],
      bytes: [new Uint8Array(1e6), "[Uint8Array: 1000000 bytes]"],
      "a regular expression": [/x/, "/x/"],
      "a promise": [new Promise(() => {}), "[Promise]"],
      "a symbol": [Symbol("s"), "Symbol(s)"]
    }
    for (const [what, [value, text]] of Object.entries(fields)) {
      it(`with ${what}`, () => {
        const { message, reason, stack } = ofError(new Broken({ it: value }))
        assert.deepStrictEqual({ message, reason }, { message: `{"it":${text}}`, reason: "Broken" })
        assert.include(stack, "ErrorText.test.ts")
      })
    }

    it("as JSON where they are JSON", () => {
      const json = { a: "\"'\n漢", b: [1, [true, null]], c: { d: {} }, e: -0.5 }
      assert.strictEqual(message(new Broken(json)), JSON.stringify(json))
    })

    it("with fields of a schema", () => {
      const error = new Insufficient({ balance: 1n, limit: Option.none() })
      assert.strictEqual(message(error), '{"balance":1n,"limit":{"_id":"Option","_tag":"None"}}')
    })

    it("and with no more of what cannot be read than a gap", () => {
      const error = new Broken({ good: 1, late: 2 })
      Object.defineProperty(error, "bad", {
        enumerable: true,
        get: () => {
          throw new Error("no")
        }
      })
      const hostile = { toJSON: () => assert.fail("no") }
      assert.strictEqual(message(Object.assign(error, { hostile })), '{"good":1,"late":2,"hostile":…}')
    })

    it("which are no fields but an object, an array or a text", () => {
      assert.strictEqual(message({ code: "E_DECLINED", by: ["bank", 2n] }), '{"code":"E_DECLINED","by":["bank",2n]}')
      assert.strictEqual(message({ code: "E_DECLINED", message: "the bank declined" }), "the bank declined")
      assert.strictEqual(message([1, { a: 1 }]), '[1,{"a":1}]')
      assert.strictEqual(message("it broke"), "it broke")
      assert.strictEqual(message(undefined), "undefined")
    })

    it("in bounded time and length, however large they are", () => {
      const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, undefined]))
      let shared: unknown = {}
      let deep: unknown = {}
      for (let i = 0; i < 1000; i++) {
        shared = i < 60 ? { shared, again: shared } : shared
        deep = { deep }
      }
      const endless = { *[Symbol.iterator]() {} }
      const before = process.cpuUsage()
      for (const it of [wide, shared, deep, endless, "x".repeat(1e6), 10n ** 100_000n, Array(1e5).fill(0)]) {
        assert.isAtMost(message(new Broken({ it })).length, 2048)
      }
      assert.isBelow(process.cpuUsage(before).user / 1000, 2000)
    })
  })

  describe("what lies below an error is told with it", () => {
    it("its causes, in the message and in the stack", () => {
      const chain = new Error("cannot book", { cause: new Error("no connection", { cause: refused }) })
      const { message, stack = "" } = ofError(chain)
      assert.strictEqual(message, "cannot book; caused by no connection; caused by connect ECONNREFUSED db:5432")
      assert.match(stack, /^Error: cannot book\n.+\ncaused by Error: no connection\n.+\ncaused by Error: connect EC.+/s)
    })

    it("the cause of a tagged error, which has no message of its own", () => {
      assert.strictEqual(message(new DbFailed({ cause: refused })), "caused by connect ECONNREFUSED db:5432")
      const text = '{"table":"orders"}; caused by TypeError: not a function'
      assert.strictEqual(message(new DbFailed({ cause: new TypeError("not a function"), table: "orders" })), text)
      assert.strictEqual(message(new DbFailed({ cause: { code: 7 } })), 'caused by {"code":7}')
      assert.strictEqual(message({ _tag: "Plain", cause: "a text" }), "caused by a text")
    })

    it("the errors of an aggregate", () => {
      const { message, stack } = ofError(new AggregateError([refused, new TypeError("t")]))
      assert.strictEqual(message, "caused by connect ECONNREFUSED db:5432; caused by TypeError: t")
      assert.include(stack, "caused by TypeError: t\n    at ")
    })

    it("all failures and defects of a cause, failures first", () => {
      const both = Cause.combine(Cause.die(new TypeError("a bug")), Cause.fail(new DbFailed({ cause: refused })))
      const { message, reason, stack } = ofCause(Cause.combine(both, Cause.fail("no")))
      assert.strictEqual(reason, "DbFailed")
      assert.strictEqual(message, "caused by connect ECONNREFUSED db:5432; and also no; and also TypeError: a bug")
      assert.include(stack, "and also TypeError: a bug\n    at ")
      assert.strictEqual(ofError(new DbFailed({ cause: both })).message.split("caused by").length, 4)
    })

    it.effect("what a promise was rejected with", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Effect.tryPromise(() => Promise.reject(refused)))
        assert(Exit.isFailure(exit))
        const { message, reason, stack } = ofCause(exit.cause)
        assert.strictEqual(reason, "UnknownError")
        assert.include(message, "caused by connect ECONNREFUSED db:5432")
        assert.include(stack, "ErrorText.test.ts")
      })
    )

    it("but not what the error has said itself", () => {
      const text = `cannot book: ${refused.message}`
      assert.strictEqual(message(new Error(text, { cause: refused })), text)
    })

    it("the innermost one always, however long the texts, and however many there are", () => {
      let error: unknown = refused
      for (let i = 0; i < 500; i++) error = new Error(`漢 ${i} ${"漢".repeat(5000)}`, { cause: error })
      const { message, stack = "" } = ofError(error)
      for (const text of [message, stack]) assert.include(text, "connect ECONNREFUSED")
      assert.isAtMost(new TextEncoder().encode(message).length, 2048)
      assert.isAtMost(new TextEncoder().encode(stack).length, 8192)
      assert.include(message, "漢 499")
      assert.include(message, "漢 498")
    })

    it("once, where it goes in circles", () => {
      const [one, two] = [new Error("one"), new Error("two")]
      Object.assign(one, { cause: two, errors: [two, one] })
      Object.assign(two, { cause: one })
      assert.strictEqual(message(one), "one; caused by two")
    })

    it("without credentials", () => {
      const cause = new Error("connect postgres://app:hunter2@db failed")
      const { message, stack } = ofError(new DbFailed({ cause, table: "password=hunter2" }))
      assert.notInclude(`${message}${stack}`, "hunter2")
    })
  })
})
