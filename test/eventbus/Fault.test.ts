import { assert, describe, it } from "@effect/vitest"
import { Cause, Schema } from "effect"
import { Fault } from "effect-eventbus"
import { assertLinear } from "../support/Linear.ts"

class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", { seconds: Schema.Finite }) {
  override get message() {
    return `come back in ${this.seconds} s`
  }
}

const bytes = (text: string | undefined) => new TextEncoder().encode(text).length
const fault = (message: string) => Fault.make({ reason: "r", message, attempts: 1, now: 0 })
const ofError = (error: unknown) => Fault.fromCause(Cause.fail(error), { attempts: 1, now: 0 })

describe("Fault", () => {
  describe("bounds", () => {
    for (const [name, character] of Object.entries({ ascii: "a", latin: "é", chinese: "漢", emoji: "😀" })) {
      it(`cuts ${name} text to the bytes of each field, between two characters`, () => {
        for (let shift = 0; shift < 4; shift++) {
          const text = "x".repeat(shift) + character.repeat(20_000)
          const { message, reason, stack } = Fault.make({
            reason: text,
            message: text,
            stack: text,
            attempts: 1,
            now: 0
          })
          for (const [kept = "", limit] of [
            [reason, 128],
            [message, 2048],
            [stack, 8192]
          ] as const) {
            assert.isAtMost(bytes(kept), limit)
            assert.isAtLeast(bytes(kept), limit - 10, "more was cut than had to be")
            assert.match(kept, new RegExp(`^x{${shift}}(${character})+…$`, "u"))
          }
        }
      })
    }

    it("keeps a text that is just short enough as it is", () => {
      assert.strictEqual(fault("a".repeat(2048)).message, "a".repeat(2048))
      assert.strictEqual(fault("漢".repeat(682)).message, "漢".repeat(682))
    })
  })

  describe("fromCause", () => {
    it("names a tagged error by its tag", () => {
      const { message, reason, stack } = ofError(new RateLimited({ seconds: 3 }))
      assert.deepStrictEqual({ message, reason }, { message: "come back in 3 s", reason: "RateLimited" })
      assert.include(stack, "Fault.test.ts")
    })

    it("names an error by its name", () => {
      const { message, reason } = ofError(new TypeError("not a function"))
      assert.deepStrictEqual({ message, reason }, { message: "not a function", reason: "TypeError" })
    })

    it("names what is no error by what it has of a name", () => {
      const { message, reason, stack } = ofError("no")
      assert.deepStrictEqual({ message, reason, stack }, { message: "no", reason: "no", stack: undefined })
      const reasons = [
        { _tag: "Plain" },
        { code: "E_DECLINED" },
        new (class NotFound {})(),
        "card_declined",
        // These have none.
        { _tag: 1 },
        { name: "Ada" },
        { code: "order 17" },
        "order 17 not found",
        "",
        404,
        12n,
        null,
        undefined,
        Symbol("no"),
        []
      ].map((error) => ofError(error).reason)
      const none = Array.from({ length: 11 }, () => "Failure")
      assert.deepStrictEqual(reasons, ["Plain", "E_DECLINED", "NotFound", "card_declined", ...none])
      assert.strictEqual(Fault.fromCause(Cause.die("it broke"), { attempts: 1, now: 0 }).reason, "Defect")
    })

    it("names a defect like an error", () => {
      const { message, reason } = Fault.fromCause(Cause.die(new RangeError("a bug")), { attempts: 1, now: 0 })
      assert.deepStrictEqual({ message, reason }, { message: "a bug", reason: "RangeError" })
    })

    it("prefers the failure to the defect of the same cause", () => {
      const cause = Cause.combine(Cause.die(new Error("a bug")), Cause.fail(new RateLimited({ seconds: 3 })))
      assert.strictEqual(Fault.fromCause(cause, { attempts: 1, now: 0 }).reason, "RateLimited")
    })

    it("says that it was an interruption", () => {
      assert.include(Fault.fromCause(Cause.interrupt(1), { attempts: 1, now: 0 }).message, "interrupted")
    })

    it("survives errors that cannot be read", () => {
      const unreadable = {
        "an object without prototype": Object.create(null),
        "a hostile proxy": new Proxy(
          {},
          {
            get() {
              throw new Error("no")
            }
          }
        ),
        "a message that is no text": Object.assign(new Error(), { message: { a: 1 }, name: 7, stack: 8 }),
        "a symbol": Symbol("no")
      }
      for (const [name, error] of Object.entries(unreadable)) {
        for (const cause of [Cause.fail(error), Cause.die(error)]) {
          const { message, reason } = Fault.fromCause(cause, { attempts: 1, now: 0 })
          assert.isString(message, name)
          assert.isString(reason, name)
        }
      }
    })
  })

  it("knows when the first and the last attempt failed", () => {
    const first = Fault.fromCause(Cause.fail("try 1"), { attempts: 1, now: 1000 })
    const second = Fault.fromCause(Cause.fail("try 2"), { attempts: 2, now: 5000, previous: first })
    const third = Fault.fromCause(Cause.fail("try 3"), { attempts: 3, now: 9000, previous: second })
    const { fingerprint } = first
    assert.deepStrictEqual(third, {
      reason: "Failure",
      message: "try 3",
      stack: undefined,
      fingerprint,
      host: undefined,
      attempts: 3,
      firstFailedAt: 1000,
      lastFailedAt: 9000
    })
    assert.strictEqual(first.firstFailedAt, first.lastFailedAt)
  })

  describe("fingerprint", () => {
    const of = (stack: string, { message = "it failed", reason = "NotReady", type = "task.done" } = {}) =>
      Fault.make({ reason, message, stack: `${reason}: ${message}\n${stack}`, attempts: 1, now: 0, type }).fingerprint
    const place = "    at charge (/srv/app/src/billing/charge.ts:12:34)"

    it("is 12 hexadecimal digits, and the same for the same trouble", () => {
      assert.match(of(place), /^[0-9a-f]{12}$/)
      assert.strictEqual(of(place), of(place))
    })

    it("does not know the message", () => {
      assert.strictEqual(of(place, { message: "invoice 1" }), of(place, { message: "invoice 2\nand more" }))
      const frame = "x\n    at f (/app/src/a.ts:1:1)"
      assert.strictEqual(of(place, { message: "x\n    at f (/app/src/b.ts:1:1)" }), of(place, { message: frame }))
      const messageOnly = (message: string) => Fault.make({ reason: "r", message, attempts: 1, now: 0 }).fingerprint
      assert.strictEqual(messageOnly("a"), messageOnly("b"))
    })

    it("tells reasons, event types and places apart", () => {
      const others = [
        of(place, { reason: "Refused" }),
        of(place, { type: "task.failed" }),
        of(place.replace("12:34", "13:34")),
        of(place.replace("charge.ts", "refund.ts")),
        of("")
      ]
      assert.strictEqual(new Set([of(place), ...others]).size, 6)
    })

    it("is the same wherever the application is installed", () => {
      for (const path of [
        "/home/me/code/src/billing/charge.ts",
        "file:///opt/app/src/billing/charge.ts",
        "C:\\apps\\src\\billing\\charge.ts",
        "/srv/app/src/billing/charge.ts?t=123"
      ]) {
        assert.strictEqual(of(`    at charge (${path}:12:34)`), of(place), path)
      }
      assert.strictEqual(of(place.replace("charge (", "async charge (")), of(place))
    })

    it("skips the frames of Node and of what is installed", () => {
      const foreign = [
        "    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
        "    at run (/srv/app/node_modules/.pnpm/effect@4.1.0/node_modules/effect/dist/Effect.js:1:2)",
        "    at Array.map (<anonymous>)",
        "    at new Promise (<anonymous>)",
        "    at eval (eval at run (/srv/app/src/a.ts:1:1), <anonymous>:1:1)"
      ].join("\n")
      assert.strictEqual(of(`${foreign}\n${place}\n${place.replace("12", "99")}`), of(place))
      assert.strictEqual(of(foreign), of(""))
    })

    it("is of where an error was made, not of where it was caught", () => {
      const make = (message: string) => new RateLimited({ seconds: message.length })
      const [one, two] = ["a", "bb"].map((message) => ofError(make(message)).fingerprint)
      assert.strictEqual(one, two)
      assert.notStrictEqual(one, ofError(new RateLimited({ seconds: 1 })).fingerprint)
    })

    it("is of a cause, where the error was made by what is installed", () => {
      const foreign = "    at run (/srv/app/node_modules/effect/dist/Effect.js:1:2)"
      const wrapped = (name: string, line: number) => {
        const cause = Object.assign(new TypeError("inner"), {
          name,
          stack: `x: inner\n${place.replace("12", `${line}`)}`
        })
        return ofError(Object.assign(new Error("outer", { cause }), { stack: `Error: outer\n${foreign}` })).fingerprint
      }
      assert.strictEqual(wrapped("TypeError", 1), wrapped("TypeError", 1))
      assert.strictEqual(new Set([wrapped("TypeError", 1), wrapped("TypeError", 2), wrapped("Other", 1)]).size, 3)
    })

    it("stays what it was, where the error has a place", () => {
      assert.strictEqual(of(place), "6076578dd3f6")
      const cause = new Error("inner")
      const made = (options?: ErrorOptions) =>
        ofError(Object.assign(new Error("x", options), { stack: `Error: x\n${place}` })).fingerprint
      assert.strictEqual(made({ cause }), made())
    })

    it("is of the words of an error without a stack, but for those that differ each time", () => {
      const kinds = ["order 17 not found", "order 'a-b' not found", "order 0f-1 not found", "card was declined"]
      const [one, two, three, other] = kinds.map((text) => ofError(text).fingerprint)
      assert.deepStrictEqual([two, three], [one, one])
      assert.notStrictEqual(other, one)
      const reasons = ["NotFound", { _tag: "A", balance: 1n }, { _tag: "B", balance: 1n }, { code: "E_A" }]
      assert.strictEqual(new Set(reasons.map((error) => ofError(error).fingerprint)).size, 4)
    })
  })

  it("costs no more than its texts are long, whatever the error is made of", () => {
    const lines = [" (", "?", "? (", "a?", " (?", ":1", "at ", "at (", ":1:1", "(", "x://a:b ", 'password="', "\\"]
    const fail = (piece: string, frames: number) => {
      const text = piece.repeat(490 / piece.length)
      const stack = `Error: x\n${Array(frames).fill(`    at ${text}`).join("\n")}`
      const long = text.repeat(frames)
      ofError(Object.assign(new Error(long, { cause: new Error(text) }), { stack, name: text }))
      Fault.make({ reason: long, message: long, stack, attempts: 1, now: 0, type: stack })
    }
    for (const piece of lines) assertLinear((frames) => fail(piece, frames), 20, piece)
  })
})
