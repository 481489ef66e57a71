import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { type Event, EventCodec, EventType } from "effect-eventbus"

const encoder = new TextEncoder()
const anyEvent = EventCodec.decoder([])
const encoded = (body: Uint8Array) => ({ body, version: undefined })

const failureOf = (body: Uint8Array | string, decode: EventCodec.Decoder<Event.Event> = anyEvent) =>
  Result.getOrThrow(Result.flip(decode(encoded(typeof body === "string" ? encoder.encode(body) : body))))

/** Stands in for a secret that must not be in a log. */
const secret = "5ecre7"

const valid = {
  event_id: "1f0b5c1e-0000-4000-8000-000000000001",
  event_type: "invoice.paid",
  timestamp: "2026-01-15T09:30:00Z",
  payload: {}
}
/** The body of a valid event, with further members as raw JSON: the last one of a name counts. */
const validAnd = (...members: ReadonlyArray<string>) =>
  `${JSON.stringify({ ...valid, x: secret }).slice(0, -1)},${members.join()}}`

const nested = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth)

describe("DecodeFailed", () => {
  it("does not concern a valid body", () => {
    assert.isTrue(Result.isSuccess(anyEvent(encoded(encoder.encode(validAnd('"y":1'))))))
  })

  const bodies: Readonly<Record<EventCodec.DecodeFailed["code"], Readonly<Record<string, Uint8Array | string>>>> = {
    TooLarge: {},
    UnknownEventType: {},
    InvalidPayload: {},
    FutureVersion: {},
    PastVersion: {},
    StepFailed: {},
    InvalidUtf8: {
      "a byte that no text has": Uint8Array.of(0x7b, 0xff, 0x7d),
      "half a character": Uint8Array.of(...encoder.encode('{"a":"'), 0xe6, 0xbc, 0x22, 0x7d),
      "another charset": Uint8Array.of(...encoder.encode('{"a":"'), 0xe9, 0x22, 0x7d)
    },
    InvalidJson: {
      nothing: "",
      text: secret,
      "half an object": JSON.stringify(valid).slice(0, -1),
      "two objects": JSON.stringify(valid).repeat(2),
      "a number that is none": validAnd('"retry_count":NaN'),
      "single quotes": "{'a':1}",
      "a comma too many": '{"a":1,}'
    },
    TooDeep: {
      "arrays 101 levels deep": nested("[", "]", 101),
      "arrays 100,000 levels deep": nested("[", "]", 100_000),
      "arrays 100,000 levels deep in the payload": validAnd(`"payload":{"a":${nested("[", "]", 100_000)}}`),
      "objects 100,000 levels deep in an unknown field": validAnd(
        `"a":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`
      )
    },
    ForbiddenKey: {
      __proto__: validAnd(`"__proto__":{"polluted":"${secret}"}`),
      "__proto__ in the payload": validAnd('"payload":{"a":[{"__proto__":1}]}'),
      "__proto__ in disguise": validAnd(String.raw`"payload":{"\u005f_proto__":{}}`),
      "a constructor with a prototype": validAnd('"payload":{"constructor":{"prototype":{"polluted":true}}}'),
      "a constructor with a prototype, deep down": validAnd(
        '"payload":{"a":[{"constructor":{"x":1,"prototype":null}}]}'
      )
    },
    InvalidEnvelope: {
      "no object but null": "null",
      "no object but an array": JSON.stringify([valid]),
      "no object but a text": JSON.stringify(secret)
    }
  }
  for (const [code, cases] of Object.entries(bodies)) {
    for (const [what, body] of Object.entries(cases)) {
      it(`is ${code} for ${what}`, () => {
        const failure = failureOf(body)
        assert.strictEqual(failure.code, code)
        assert.notInclude(failure.message, secret)
      })
    }
  }

  it("says how the body was published, where that may be why", () => {
    const detailOf = (type: string | undefined, encoding: string | undefined) =>
      Result.getOrThrow(Result.flip(anyEvent({ ...encoded(Uint8Array.of(0x1f, 0x8b)), content: { type, encoding } })))
        .detail
    assert.strictEqual(detailOf("text/xml", "gzip"), "the body is not UTF-8: it was published as text/xml, in gzip")
    assert.strictEqual(detailOf(undefined, "br"), "the body is not UTF-8: it was published in br")
    assert.strictEqual(detailOf(undefined, undefined), "the body is not UTF-8")
  })

  it("leaves a harmless constructor and harmless depth alone", () => {
    const harmless = [
      '{"constructor":"Ada","prototype":{}}',
      '{"constructor":null}',
      '{"constructor":[]}',
      '{"constructor":{}}',
      '{"constructor":{"constructorId":"ferrari","points":[{"prototype":{}}]}}',
      `{"a":${nested("[", "]", 98)}}`
    ]
    for (const payload of harmless) {
      const event = Result.getOrThrow(anyEvent(encoded(encoder.encode(validAnd(`"payload":${payload}`)))))
      assert.strictEqual(JSON.stringify(event.payload), payload)
      assert.isTrue(Result.isSuccess(EventCodec.encode(event)))
    }
  })

  it("pollutes nothing on the way", () => {
    for (const body of Object.values(bodies.ForbiddenKey)) failureOf(body)
    assert.isFalse("polluted" in {})
  })

  describe("InvalidEnvelope", () => {
    const uuids = ['"no-uuid"', '""', "1", "{}", `"{1f0b5c1e-0000-4000-8000-000000000001}"`, `"${"0".repeat(32)}"`]
    const counts = ["-1", "1.5", '"1"', "true", "1e16", "[]"]
    const wrong: Readonly<Record<string, ReadonlyArray<string>>> = {
      event_id: [...uuids, "null"],
      event_type: ["null", "1", '""'],
      timestamp: [
        "null",
        "1768469400",
        '"yesterday"',
        '"2026-01-15"',
        '"2026-13-01T00:00:00Z"',
        '"2026-01-15T25:00:00Z"'
      ],
      source_agent_id: ["1", "{}"],
      source_service: ["1", "[]"],
      trace_id: uuids,
      execution_id: uuids,
      parent_event_id: uuids,
      payload: ["null", "[]", '"text"', "1"],
      priority: ['"urgent"', '"HIGH"', "1", '""'],
      ttl_seconds: ["-1", '"60"', "1e999", "true"],
      retry_count: counts,
      max_retries: counts
    }
    for (const [field, values] of Object.entries(wrong)) {
      it(`names the field ${field} when it is not what it must be`, () => {
        for (const value of values) {
          const failure = failureOf(validAnd(`"${field}":${value}`))
          assert.strictEqual(failure.code, "InvalidEnvelope", value)
          assert.include(failure.detail, `"${field}"`)
        }
      })
    }

    it("says which forms of a time are read", () => {
      for (const time of ['"yesterday"', '"2026-02-30T00:00:00Z"', "1768469400", "null"]) {
        assert.include(failureOf(validAnd(`"timestamp":${time}`)).detail, "YYYY-MM-DDThh:mm")
      }
    })

    for (const field of Object.keys(valid)) {
      it(`names the field ${field} when it is missing`, () => {
        const failure = failureOf(JSON.stringify({ ...valid, [field]: undefined }))
        assert.strictEqual(failure.code, "InvalidEnvelope")
        assert.include(failure.detail, `"${field}"`)
      })
    }

    it("never says what it found", () => {
      for (const field of Object.keys(wrong).filter(
        (field) => !["event_type", "source_agent_id", "source_service"].includes(field)
      )) {
        assert.notInclude(failureOf(validAnd(`"${field}":"${secret}"`)).message, secret, field)
      }
    })
  })

  describe("with types", () => {
    const InvoicePaid = EventType.make("invoice.paid", {
      payload: Schema.Struct({
        cents: Schema.Int,
        lines: Schema.Array(Schema.Struct({ text: Schema.String.check(Schema.isMinLength(10)) }))
      })
    })
    const typed = EventCodec.decoder([InvoicePaid])

    it("is UnknownEventType for another type", () => {
      const failure = failureOf(validAnd(`"event_type":"${secret}"`), typed)
      assert.strictEqual(failure.code, "UnknownEventType")
      assert.notInclude(failure.message, secret)
    })

    it("is UnknownEventType for the name of what every object has", () => {
      assert.strictEqual(failureOf(validAnd('"event_type":"toString"'), typed).code, "UnknownEventType")
    })

    const payloads: ReadonlyArray<readonly [payload: string, path: string]> = [
      ["{}", "payload.cents"],
      [`{"cents":"${secret}","lines":[]}`, "payload.cents"],
      ['{"cents":0.5721,"lines":[]}', "payload.cents"],
      ['{"cents":1,"lines":{}}', "payload.lines"],
      [`{"cents":1,"lines":[{"text":"long enough"},{"text":"${secret}"}]}`, "payload.lines.1.text"]
    ]
    for (const [payload, path] of payloads) {
      it(`is InvalidPayload at ${path} for ${payload}, and never says the value`, () => {
        const failure = failureOf(validAnd(`"payload":${payload}`), typed)
        assert.strictEqual(failure.code, "InvalidPayload")
        assert.strictEqual(failure.message, `the schema of invoice.paid refuses ${path}`)
      })
    }
  })
})
