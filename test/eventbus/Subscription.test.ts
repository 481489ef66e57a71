import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Result, Schema } from "effect"
import { EventCodec, EventType, FailurePolicy, Handler, QueueSpec, Subscription } from "effect-eventbus"

const InvoicePaid = EventType.make("invoice.paid", { payload: Schema.Struct({ cents: Schema.Int }) })
const UserCreated = EventType.make("user.created", { payload: Schema.Struct({ name: Schema.String }) })

describe("Subscription", () => {
  it("has defaults for all that it does not say", () => {
    const { decode, drainTimeout, ...rest } = Subscription.make("billing", { events: [InvoicePaid] })
    assert.isFunction(decode)
    assert.strictEqual(Duration.toMillis(drainTimeout), 10_000)
    assert.deepStrictEqual(rest, {
      [Subscription.TypeId]: Subscription.TypeId,
      events: [InvoicePaid],
      name: "billing",
      patterns: ["invoice.paid.*"],
      concurrency: undefined,
      prefetch: undefined,
      deadLetterQueue: "dlq.billing",
      messageTtl: undefined,
      atMostOnce: false,
      priorities: false,
      temporary: false,
      producerSpan: "link"
    })
  })

  it("is what it says", () => {
    const { decode, drainTimeout, ...rest } = Subscription.make("billing.v2", {
      events: [InvoicePaid, UserCreated],
      patterns: ["invoice.#", "user.*.*", "invoice.#"],
      concurrency: 8,
      prefetch: undefined,
      deadLetter: false,
      messageTtl: "1 minute",
      priorities: true,
      drainTimeout: "2 seconds"
    })
    assert.isFunction(decode)
    assert.strictEqual(Duration.toMillis(drainTimeout), 2000)
    assert.deepStrictEqual(rest, {
      [Subscription.TypeId]: Subscription.TypeId,
      events: [InvoicePaid, UserCreated],
      name: "billing.v2",
      patterns: ["invoice.#", "user.*.*"],
      concurrency: 8,
      prefetch: undefined,
      deadLetterQueue: undefined,
      messageTtl: 60_000,
      atMostOnce: false,
      priorities: true,
      temporary: false,
      producerSpan: "link"
    })
  })

  it("is bound to the keys of its events, once each", () => {
    const { patterns } = Subscription.make("all", { events: [InvoicePaid, UserCreated, InvoicePaid] })
    assert.deepStrictEqual(patterns, ["invoice.paid.*", "user.created.*"])
  })

  it("keeps no dead letters when it is at-most-once", () => {
    const { atMostOnce, deadLetterQueue } = Subscription.make("audit", { patterns: ["#"], guarantee: "at-most-once" })
    assert.deepStrictEqual({ atMostOnce, deadLetterQueue }, { atMostOnce: true, deadLetterQueue: undefined })
  })

  it("is at-most-once when it is temporary", () => {
    const looker = Subscription.make("looker", { patterns: ["#"], temporary: true })
    assert.deepInclude(looker, { temporary: true, atMostOnce: true, deadLetterQueue: undefined })
  })

  it.effect("decodes its events, or any where it has patterns alone", () =>
    Effect.gen(function* () {
      const body = Result.getOrThrow(EventCodec.encode(yield* UserCreated.event({ name: "Ada" })))
      const own = Subscription.make("q", { events: [InvoicePaid] }).decode({ body, version: undefined })
      assert.strictEqual(Result.getOrThrow(Result.flip(own)).code, "UnknownEventType")
      const any = Subscription.make("q", { patterns: ["invoice.#"] }).decode({ body, version: undefined })
      assert.deepStrictEqual(Result.getOrThrow(any).payload, { name: "Ada" })
    })
  )

  describe("to dead letters", () => {
    it("is bound to nothing, whatever its patterns or events", () => {
      assert.deepStrictEqual(Subscription.make("dlq.billing", { patterns: ["#"] }).patterns, [])
      assert.deepStrictEqual(Subscription.make("dlq.billing", { patterns: [] }).patterns, [])
      assert.deepStrictEqual(Subscription.make("dlq.billing", { events: [InvoicePaid] }).patterns, [])
    })

    it("is told by the name", () => {
      assert.isTrue(QueueSpec.isDeadLetterQueue(QueueSpec.deadLetterQueueOf("billing")))
      for (const name of ["billing", "dlq", "my.dlq.billing", "DLQ.billing"]) {
        assert.isFalse(QueueSpec.isDeadLetterQueue(name), name)
      }
    })

    it("has patterns that are checked all the same", () => {
      assert.throws(() => Subscription.make("dlq.billing", { patterns: ["a..b"] }), RangeError)
    })
  })

  describe("is a RangeError", () => {
    const make = (options: Partial<Subscription.Options> & { readonly patterns?: ReadonlyArray<string> }) => () =>
      Subscription.make("billing", { patterns: ["#"], ...options })
    const concurrency = 'The concurrency of "billing" must be a whole number from 1 to 65535, not'
    const messageTtl = 'The messageTtl of "billing" in milliseconds must be a whole number from 1 to 4294967295, not'

    const misuses: Readonly<Record<string, readonly [misuse: () => unknown, message: string]>> = {
      "a bad pattern": [make({ patterns: ["task.#", "task.*x"] }), '"task.*x"'],
      "an empty pattern": [make({ patterns: [""] }), "must not be empty"],
      "two versions of one event type": [
        () =>
          Subscription.make("billing", {
            events: [InvoicePaid, EventType.make("invoice.paid", { payload: Schema.Struct({}) })]
          }),
        'two event types called "invoice.paid"'
      ],
      "no pattern": [make({ patterns: [] }), '"billing" has neither events nor patterns'],
      "no concurrency": [make({ concurrency: 0 }), `${concurrency} 0`],
      "a negative concurrency": [make({ concurrency: -1 }), `${concurrency} -1`],
      "half a concurrency": [make({ concurrency: 1.5 }), `${concurrency} 1.5`],
      "a concurrency that is no number": [make({ concurrency: NaN }), `${concurrency} NaN`],
      "an endless concurrency": [make({ concurrency: Infinity }), `${concurrency} Infinity`],
      "no prefetch": [make({ prefetch: 0 }), 'The prefetch of "billing" must be a whole number from 1 to 65535, not 0'],
      "a prefetch below the concurrency": [
        make({ concurrency: 8, prefetch: 7 }),
        'The prefetch of "billing" must be at least its concurrency, 8, not 7: fewer events could be handled at once'
      ],
      "more concurrency than a broker can give": [make({ concurrency: 65_536 }), `${concurrency} 65536`],
      "no time to live": [make({ messageTtl: 0 }), `${messageTtl} 0`],
      "a part of a millisecond to live": [make({ messageTtl: 0.5 }), `${messageTtl} 0.5`],
      "too long a time to live": [make({ messageTtl: "50 days" }), `${messageTtl} 4320000000`],
      "an endless time to live": [make({ messageTtl: Duration.infinity }), `${messageTtl} Infinity`],
      "dead letters for at-most-once": [
        make({ guarantee: "at-most-once", deadLetter: true }),
        'The subscription "billing" is at-most-once'
      ],
      "dead letters for a temporary queue": [
        make({ temporary: true, deadLetter: true }),
        'The subscription "billing" is at-most-once'
      ],
      "at-least-once on a temporary queue": [
        make({ temporary: true, guarantee: "at-least-once" }),
        'The subscription "billing" is temporary'
      ]
    }
    for (const [what, [misuse, message]] of Object.entries(misuses)) {
      it(`for ${what}`, () => {
        assert.throws(misuse, RangeError, message)
      })
    }

    it("for a queue whose name RabbitMQ keeps for itself, on every broker", () => {
      for (const name of ["amq.orders", "amq.", "amq.gen-JzTY20BRgKO"]) {
        assert.throws(() => Subscription.make(name, { patterns: ["#"] }), RangeError, `"${name}"`)
      }
      for (const name of ["amq", "amqp.orders", "my.amq.orders", "wait.list"]) {
        assert.strictEqual(Subscription.make(name, { patterns: ["#"] }).name, name)
      }
    })

    for (const name of ["", "two words", "a/b", "a:b", "漢", "a\n", "#", "a".repeat(181)]) {
      it(`for a queue named ${JSON.stringify(name.slice(0, 20))} of ${name.length} characters`, () => {
        assert.throws(() => Subscription.make(name, { patterns: ["#"] }), RangeError, `not "${name}"`)
      })
    }

    it("but not for the extremes of what is allowed", () => {
      for (const value of [1, 65_535]) assert.strictEqual(make({ concurrency: value })().concurrency, value)
      for (const value of [1, 2 ** 32 - 1]) assert.strictEqual(make({ messageTtl: value })().messageTtl, value)
      for (const name of ["a", "A.b-c_9", "a".repeat(180)]) {
        assert.strictEqual(Subscription.make(name, { patterns: ["#"] }).name, name)
      }
    })
  })

  describe("with a policy that it cannot follow, is a RangeError", () => {
    const failing = (options: Subscription.Options) =>
      Handler.make(Subscription.make("audit", { ...options, patterns: ["#"] }), () => Effect.fail("no"))
    const atMostOnce = failing({ guarantee: "at-most-once" })
    const withoutDeadLetters = failing({ deadLetter: false })

    const retries = FailurePolicy.retryUpToMax
    for (const [what, policy] of Object.entries({
      retries,
      orElse: FailurePolicy.orElse(FailurePolicy.discard, retries)
    })) {
      it(`at-most-once, by ${what}`, () => {
        assert.throws(() => Handler.onFailure(atMostOnce, policy), RangeError, '"audit" is at-most-once')
      })
    }

    it("without dead letters", () => {
      assert.throws(
        () => Handler.onFailure(withoutDeadLetters, FailurePolicy.orElse(retries, FailurePolicy.deadLetter)),
        RangeError,
        '"audit" has no dead letters'
      )
    })

    it("but not when it may discard, or retry and then discard", () => {
      Handler.onFailure(atMostOnce, FailurePolicy.discard)
      Handler.onFailure(withoutDeadLetters, FailurePolicy.orElse(retries, FailurePolicy.discard))
    })
  })
})
