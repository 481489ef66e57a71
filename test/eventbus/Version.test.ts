import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { DeadLetter, type Envelope, type Event, EventCodec, EventType, Version } from "effect-eventbus"
import { leastTimeOf } from "../support/Linear.ts"

const InEuros = Schema.Struct({ euros: Schema.Finite })
const InCents = Schema.Struct({ cents: Schema.Int })
const Priced = Schema.Struct({ cents: Schema.Int, currency: Schema.String, at: Schema.optionalKey(Schema.Date) })

const fromEuros = Version.step(InEuros, ({ euros }) => ({ cents: euros * 100, currency: "EUR" }))
const fromCents = Version.step(InCents, ({ cents }) => ({ cents, currency: "EUR" }))

const make = (version: number, from: Readonly<Record<number, Version.Step<typeof Priced.Type>>>) =>
  EventType.make("bill.paid", { version, payload: Priced, from })

const bodyOf = (payload: unknown) =>
  new TextEncoder().encode(
    JSON.stringify({
      event_id: "1f0b5c1e-0000-4000-8000-000000000001",
      event_type: "bill.paid",
      timestamp: "2026-01-15T09:30:00Z",
      payload
    })
  )

const read = (type: EventType.Any, payload: unknown, version?: number) => {
  const decode: EventCodec.Decoder<Event.Event> = EventCodec.decoder([type])
  return Result.map(decode({ body: bodyOf(payload), version }), (event) => event.payload)
}

const refusalOf = (type: EventType.Any, payload: unknown, version?: number) => {
  const { code, detail } = Result.getOrThrow(Result.flip(read(type, payload, version)))
  return [code, detail]
}

describe("An event type with versions", () => {
  const Third = make(3, { 2: fromCents, 1: fromEuros })

  it("decodes each version by its own schema, and hands out the newest", () => {
    assert.deepStrictEqual(Result.getOrThrow(read(Third, { euros: 2 }, 1)), { cents: 200, currency: "EUR" })
    assert.deepStrictEqual(Result.getOrThrow(read(Third, { cents: 200 }, 2)), { cents: 200, currency: "EUR" })
    const newest = { cents: 200, currency: "CHF", at: "2026-01-15T09:30:00.000Z" }
    assert.deepStrictEqual(Result.getOrThrow(read(Third, newest, 3)), { ...newest, at: new Date(newest.at) })
  })

  it("reads an event of its own version at the same cost, however many steps it has", () => {
    const steps = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [index + 1, fromEuros]))
    const body = bodyOf({ cents: 200, currency: "CHF" })
    const costOf = (type: EventType.Any) => {
      const decode: EventCodec.Decoder<Event.Event> = EventCodec.decoder([type])
      const run = () => {
        for (let time = 0; time < 5000; time++) Result.getOrThrow(decode({ body, version: 51 }))
      }
      run()
      return leastTimeOf(run)
    }
    const none = costOf(make(51, {}))
    assert.isBelow(costOf(make(51, steps)), 2 * none + 20)
  })

  it("does not read one version as another, even where the schema would accept it", () => {
    const ambiguous = { euros: 1, cents: 7, currency: "CHF" }
    const payloads = [1, 2, 3].map((version) => Result.getOrThrow(read(Third, ambiguous, version)))
    assert.deepStrictEqual(payloads, [
      { cents: 100, currency: "EUR" },
      { cents: 7, currency: "EUR" },
      { cents: 7, currency: "CHF" }
    ])
  })

  it("decodes a payload without a version by the oldest schema that accepts it", () => {
    assert.deepStrictEqual(Result.getOrThrow(read(Third, { euros: 1, cents: 7 })), { cents: 100, currency: "EUR" })
    assert.deepStrictEqual(Result.getOrThrow(read(Third, { cents: 7 })), { cents: 7, currency: "EUR" })
    const Newest = make(2, { 1: fromEuros })
    assert.deepStrictEqual(Result.getOrThrow(read(Newest, { cents: 7, currency: "CHF" })), {
      cents: 7,
      currency: "CHF"
    })
    assert.deepStrictEqual(refusalOf(Newest, { currency: "CHF" }), [
      "InvalidPayload",
      "the schema of bill.paid refuses payload.cents"
    ])
  })

  it("refuses what the schema of the older version refuses, and names both", () => {
    assert.deepStrictEqual(refusalOf(Third, { cents: 1 }, 1), [
      "InvalidPayload",
      "the schema of bill.paid, version 1, refuses payload.euros"
    ])
  })

  it("refuses a version that is older than its oldest step", () => {
    const WithoutFirst = make(3, { 2: fromCents })
    for (const version of [0, 1]) {
      assert.deepStrictEqual(refusalOf(WithoutFirst, { cents: 1, currency: "EUR" }, version), [
        "PastVersion",
        `bill.paid has no step from version ${version}: add it, and replay the event`
      ])
    }
  })

  it("refuses a version that is newer than its own, unless it accepts newer ones", () => {
    const payload = { cents: 1, currency: "EUR", more: true }
    const [code, detail] = refusalOf(Third, payload, 4)
    assert.strictEqual(code, "FutureVersion")
    assert.include(detail, "bill.paid in version 4")
    const Additive = EventType.make("bill.paid", { version: 2, payload: Priced, accept: "newer" })
    assert.deepStrictEqual(Result.getOrThrow(read(Additive, payload, 4)), { cents: 1, currency: "EUR" })
    assert.strictEqual(refusalOf(Additive, { cents: 1 }, 4)[0], "InvalidPayload")
  })

  it("reads all older versions by its own schema when it has no steps", () => {
    const Stepless = EventType.make("bill.paid", { version: 2, payload: Priced })
    assert.isTrue(Result.isSuccess(read(Stepless, { cents: 1, currency: "EUR" }, 1)))
    assert.strictEqual(refusalOf(Stepless, { cents: 1 }, 1)[0], "InvalidPayload")
  })

  it("reads every version when it is untyped, or when no types are given", () => {
    const payload = { anything: [1] }
    assert.deepStrictEqual(Result.getOrThrow(read(EventType.untyped("bill.paid"), payload, 9)), payload)
    const event = Result.getOrThrow(EventCodec.decoder([])({ body: bodyOf(payload), version: 9 }))
    assert.deepStrictEqual(event.payload, payload)
  })

  it("names the step that throws, or makes what the schema refuses, and never says a value", () => {
    const throws = (thrown: unknown) =>
      make(2, {
        1: Version.step(InEuros, () => {
          throw thrown
        })
      })
    const step = "the step of bill.paid from version 1 to 2"
    const thrown = refusalOf(throws(new TypeError("5ecre7")), { euros: 1 }, 1)
    assert.deepStrictEqual(thrown, ["StepFailed", `${step} threw TypeError`])
    assert.deepStrictEqual(refusalOf(throws("5ecre7"), { euros: 1 }), ["StepFailed", `${step} threw string`])
    const Fractional = make(2, { 1: fromEuros })
    const made = refusalOf(Fractional, { euros: 0.001 }, 1)
    assert.deepStrictEqual(made, ["StepFailed", `${step} made what the schema refuses: payload.cents`])
  })

  it("checks an edited dead letter by the version that it has", () => {
    const envelope: Envelope.Envelope = {
      ...Result.getOrThrow(
        EventCodec.toEnvelope(
          Result.getOrThrow(EventCodec.decoder([])({ body: bodyOf({ euros: 1 }), version: undefined })),
          { routingKey: "bill.paid.normal", persistent: true, traceparent: undefined }
        )
      ),
      version: 1
    }
    const letter = DeadLetter.fromEnvelope(envelope)
    const edited = Result.getOrThrow(DeadLetter.edited(letter, { euros: 2 }, Third))
    const decoded = Result.getOrThrow(EventCodec.decoder([Third])(edited.envelope))
    assert.deepStrictEqual(decoded.payload, { cents: 200, currency: "EUR" })
    assert.isTrue(Result.isFailure(DeadLetter.edited(letter, { cents: 200, currency: "EUR" }, Third)))
  })

  describe("is a RangeError", () => {
    const from = (versions: ReadonlyArray<number>) => Object.fromEntries(versions.map((v) => [v, fromCents]))
    const misuses: Readonly<Record<string, readonly [version: number, steps: ReadonlyArray<number>, message: RegExp]>> =
      {
        "with a step from its own version": [2, [1, 2], /below its own, which is 2.*not 2/],
        "with a step from a version above its own": [2, [1, 3], /below its own, which is 2.*not 3/],
        "with a step in its first version": [1, [1], /below its own, which is 1.*not 1/],
        "with a step from version 0": [2, [0, 1], /whole number from 1, not 0/],
        "with a step from a negative version": [2, [-1], /whole number from 1, not -1/],
        "with a step from half a version": [3, [1.5, 2], /whole number from 1, not 1\.5/],
        "with a gap between two steps": [4, [1, 3], /"bill\.paid" has a step from version 1.*from version 2/],
        "with a gap before its own version": [4, [1, 2], /"bill\.paid" has a step from version 1.*from version 3/]
      }
    for (const [what, [version, steps, message]] of Object.entries(misuses)) {
      it(what, () => {
        assert.throws(() => make(version, from(steps)), RangeError, message)
      })
    }

    it("but not without steps, and not where older versions are no longer read", () => {
      for (const steps of [[], [3], [2, 3], [1, 2, 3]]) {
        assert.deepStrictEqual([...make(4, from(steps)).from.keys()], steps)
      }
    })
  })
})
