import { assert, describe, it } from "@effect/vitest"
import { Cause, Schema } from "effect"
import { Fault } from "effect-eventbus"

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

  describe("credentials", () => {
    const cases: ReadonlyArray<readonly [text: string, kept: string]> = [
      ["cannot reach amqp://guest:secret@host:5672/vhost", "cannot reach amqp://***@host:5672/vhost"],
      ["amqps://secret@host", "amqps://***@host"],
      ["amqp://user:se/cret@host/v", "amqp://***@host/v"],
      ["amqp://user:se@cret@host", "amqp://***@host"],
      ["amqp://user:%73ecret@host", "amqp://***@host"],
      ["amqp://a:secret@h1,amqp://b:secret@h2", "amqp://***@h2"],
      ["at file:///a/b.ts,amqp://b:secret@h2", "at file://***@h2"],
      ['{"url":"amqp://a:secret@h","to":"me@example.com"}', '{"url":"amqp://***@h","to":"me@example.com"}'],
      ["https://example.com/find?mail=me@example.com", "https://example.com/find?mail=me@example.com"],
      ["at file:///node_modules/effect@4.1.0/Effect.ts:1:2", "at file:///node_modules/effect@4.1.0/Effect.ts:1:2"],
      ["me@example.com", "me@example.com"]
    ]
    for (const [text, kept] of cases) {
      it(`leaves of "${text}" only "${kept}"`, () => {
        const { message, reason, stack } = Fault.make({ reason: text, message: text, stack: text, attempts: 1, now: 0 })
        assert.deepStrictEqual({ message, reason, stack }, { message: kept, reason: kept, stack: kept })
      })
    }

    it("keeps none of a URL that is cut before its host", () => {
      for (let at = 1000; at < 4200; at += 50) {
        const text = `amqp://${"u".repeat(3000)}@h ${"x".repeat(at)} amqp://user:${"secret".repeat(1000)}@host`
        assert.notInclude(fault(text).message, "secret")
      }
    })

    it("costs no more for a hostile text", () => {
      const started = performance.now()
      for (const piece of ["://", ":", "@", "://@", "a://b:"]) fault(piece.repeat(1_000_000))
      assert.isBelow(performance.now() - started, 1000)
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

    it("names what is no error by its type", () => {
      const { message, reason, stack } = ofError("no")
      assert.deepStrictEqual({ message, reason, stack }, { message: "no", reason: "string", stack: undefined })
      assert.strictEqual(ofError({ _tag: "Plain" }).reason, "Plain")
      assert.strictEqual(ofError({ _tag: 1 }).reason, "object")
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

    it("survives errors that nobody can read", () => {
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
    const first = Fault.fromCause(Cause.fail("a"), { attempts: 1, now: 1000 })
    const second = Fault.fromCause(Cause.fail("b"), { attempts: 2, now: 5000, previous: first })
    const third = Fault.fromCause(Cause.fail("c"), { attempts: 3, now: 9000, previous: second })
    const { fingerprint } = first
    assert.deepStrictEqual(third, {
      reason: "string",
      message: "c",
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

    it("costs little, however long the stack is", () => {
      const start = performance.now()
      of(`${"    at ".repeat(200_000)}\n`.repeat(10), { message: "x".repeat(1_000_000) })
      of("(".repeat(1_000_000))
      assert.isBelow(performance.now() - start, 1000)
    })
  })
})
