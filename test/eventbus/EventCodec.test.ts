import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { AgentEvents } from "@effect-eventbus/agents"
import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { DateTime, Effect, Result, Schema } from "effect"
import { type Event, EventCodec, EventType, Priority } from "effect-eventbus"

const encoder = new TextEncoder()
const anyEvent = EventCodec.decoder([])
const encoded = (body: Uint8Array) => ({ body, version: undefined })

const read = (text: string) => Result.getOrThrow(anyEvent(encoded(encoder.encode(text))))
const write = (event: Event.Event) => new TextDecoder().decode(Result.getOrThrow(EventCodec.encode(event)))

const id = "1f0b5c1e-0000-4000-8000-000000000001"
const minimal = { event_id: id, event_type: "a.b", timestamp: "2026-01-15T09:30:00Z", payload: {} }
const minimalWith = (fields: object) => JSON.stringify({ ...minimal, ...fields })

const Any = EventType.untyped("a.b")

describe("EventCodec", () => {
  afterEach(() => void vi.unstubAllEnvs())

  describe("on bodies of the platform's other services", () => {
    const folder = join(import.meta.dirname, "../fixtures/wire")
    const bodies = new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]))
    /** The time of each, to the millisecond and in UTC. */
    const times = {
      "agent-started.json": "2026-01-15T09:30:00.123+00:00",
      "naive-timestamp.json": "2026-01-15T09:30:02.000+00:00",
      "pydantic2-unknown-fields.json": "2026-01-15T09:30:01.000+00:00",
      "retried-critical.json": "2026-01-15T07:30:03.999+00:00",
      "task-submitted-high.json": "2026-01-15T09:30:01.000+00:00"
    }

    it("leaves none of them out", () => {
      assert.sameMembers(Object.keys(times), [...bodies.keys()])
    })

    for (const [file, timestamp] of Object.entries(times)) {
      const text = bodies.get(file) ?? ""
      const expected = { ...JSON.parse(text), timestamp }

      it(`reads ${file}, and writes every field of it`, () => {
        assert.deepStrictEqual(JSON.parse(write(read(text))), expected)
      })

      it(`reads ${file} with the platform's types, and writes every field of it`, () => {
        const event = Result.getOrThrow(EventCodec.decoder(AgentEvents.all)(encoded(encoder.encode(text))))
        assert.deepStrictEqual(JSON.parse(write(event)), expected)
      })
    }

    it("keeps apart what it does not know", () => {
      const event = read(bodies.get("pydantic2-unknown-fields.json") ?? "")
      assert.deepStrictEqual(event.extensions, { schema_version: 2, x_unknown: { kept: true } })
    })

    it("lets no unknown field take the place of a known one", () => {
      const event = read(bodies.get("pydantic2-unknown-fields.json") ?? "")
      const forged = { ...event, extensions: { event_id: "forged", timestamp: 1, x_mine: 2 } }
      const { x_mine, ...fields } = JSON.parse(write(forged))
      assert.strictEqual(x_mine, 2)
      assert.deepStrictEqual(fields, JSON.parse(write({ ...event, extensions: {} })))
    })

    it("refuses an unknown field that no decoder takes", () => {
      const event = read(bodies.get("pydantic2-unknown-fields.json") ?? "")
      const extensions = JSON.parse('{ "__proto__": { "polluted": true } }')
      assert.isTrue(Result.isFailure(EventCodec.encode({ ...event, extensions })))
    })
  })

  describe("decoding", () => {
    const optional = {
      sourceAgentId: undefined,
      sourceService: undefined,
      traceId: undefined,
      executionId: undefined,
      parentEventId: undefined,
      priority: "normal",
      ttlSeconds: undefined,
      retryCount: 0,
      maxRetries: 3,
      extensions: {}
    }
    const none = {
      source_agent_id: null,
      source_service: null,
      trace_id: null,
      execution_id: null,
      parent_event_id: null,
      priority: null,
      ttl_seconds: null,
      retry_count: null,
      max_retries: null
    }
    for (const [are, fields] of [
      ["absent", {}],
      ["null", none]
    ] as const) {
      it(`does without the optional fields when they are ${are}`, () => {
        const event = read(minimalWith(fields))
        for (const [field, value] of Object.entries(optional)) {
          assert.deepStrictEqual(event[field as keyof typeof optional], value, field)
        }
      })
    }

    const timestamps: ReadonlyArray<readonly [text: string, utc: string]> = [
      ["2026-01-15T09:30:00Z", "2026-01-15T09:30:00.000Z"],
      ["2026-01-15T09:30:00", "2026-01-15T09:30:00.000Z"],
      ["2026-01-15T09:30:00.5", "2026-01-15T09:30:00.500Z"],
      ["2026-01-15T09:30:00.123456", "2026-01-15T09:30:00.123Z"],
      ["2026-01-15T09:30:00.999999+00:00", "2026-01-15T09:30:00.999Z"],
      ["2026-01-15T09:30:00+02:00", "2026-01-15T07:30:00.000Z"],
      ["2026-01-15T09:30:00.123456-05:30", "2026-01-15T15:00:00.123Z"],
      ["2026-01-15T09:30:00-0530", "2026-01-15T15:00:00.000Z"],
      ["2026-01-15 09:30:00.123456+02:00", "2026-01-15T07:30:00.123Z"],
      ["2026-01-15 09:30:00", "2026-01-15T09:30:00.000Z"],
      ["2026-01-15T09:30", "2026-01-15T09:30:00.000Z"],
      ["2026-01-15 09:30:00+00", "2026-01-15T09:30:00.000Z"],
      ["2026-01-15t09:30:00,5z", "2026-01-15T09:30:00.500Z"],
      ["20260115T043000-0500", "2026-01-15T09:30:00.000Z"]
    ]
    for (const [text, utc] of timestamps) {
      it(`reads the timestamp ${text} as ${utc}, wherever it runs`, () => {
        vi.stubEnv("TZ", "America/New_York")
        assert.notStrictEqual(new Date(0).getTimezoneOffset(), 0)
        assert.strictEqual(DateTime.formatIso(read(minimalWith({ timestamp: text })).timestamp), utc)
      })
    }
  })

  describe("encoding", () => {
    it.effect("writes exactly the platform's thirteen fields, with null for what is not there", () =>
      Effect.gen(function* () {
        const event = yield* Any.event({ a: 1 }, { eventId: id })
        assert.strictEqual(
          write(event),
          `{"event_id":"${id}","event_type":"a.b","timestamp":"1970-01-01T00:00:00.000+00:00","source_agent_id":null,` +
            `"source_service":null,"trace_id":null,"execution_id":null,"parent_event_id":null,"payload":{"a":1},` +
            `"priority":"normal","ttl_seconds":null,"retry_count":0,"max_retries":3}`
        )
      })
    )

    it.effect("writes a time as Python's datetime.fromisoformat reads it in all its versions", () =>
      Effect.gen(function* () {
        const times = ["0001-01-01T00:00:00Z", "2026-01-15T09:30:00.1Z", "9999-12-31T23:59:59.999Z"]
        for (const time of times) {
          const { timestamp } = JSON.parse(write(yield* Any.event({}, { timestamp: DateTime.makeUnsafe(time) })))
          assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/)
          assert.strictEqual(Date.parse(timestamp), Date.parse(time))
        }
      })
    )

    it.effect("refuses a payload that its schema refuses, and says where, not what", () =>
      Effect.gen(function* () {
        const Typed = EventType.make("a.b", { payload: Schema.Struct({ deep: Schema.Array(Schema.Int) }) })
        const failed = EventCodec.encode(yield* Typed.event({ deep: [1, 4711.5] }))
        assert.strictEqual(Result.getOrThrow(Result.flip(failed)).detail, "the schema of a.b refuses payload.deep.1")
      })
    )

    it.effect("refuses a payload that is no object on the wire", () =>
      Effect.gen(function* () {
        const List = EventType.make("a.b", { payload: Schema.Array(Schema.String) })
        assert.isTrue(Result.isFailure(EventCodec.encode(yield* List.event(["text"]))))
      })
    )

    const unreadable: Readonly<Record<string, readonly [payload: Schema.JsonObject, options: Event.Options]>> = {
      event_id: [{}, { eventId: "no-uuid" }],
      trace_id: [{}, { traceId: "0af7651916cd43dd8448eb211c80319c" }],
      execution_id: [{}, { executionId: "" }],
      parent_event_id: [{}, { parentEventId: "no-uuid" }],
      ttl_seconds: [{}, { ttlSeconds: -1 }],
      max_retries: [{}, { maxRetries: 1.5 }],
      timestamp: [{}, { timestamp: DateTime.makeUnsafe(8.64e15) }],
      deep: [{ a: JSON.parse("[".repeat(200) + "]".repeat(200)) }, {}],
      prototypes: [JSON.parse('{"a":{"__proto__":{}}}'), {}]
    }
    for (const [what, [payload, options]] of Object.entries(unreadable)) {
      it.effect(`refuses what every receiver would refuse: ${what}`, () =>
        Effect.gen(function* () {
          const failed = Result.flip(EventCodec.encode(yield* Any.event(payload, options)))
          assert.include(Result.getOrThrow(failed).detail, what)
        })
      )
    }
  })

  it("bodies share no byte, whatever is encoded after them, and however large it is", () => {
    const bodyOf = (n: number) => {
      const text = "漢é😀a".repeat(n % 10 === 9 ? 20_000 : n)
      const event = read(minimalWith({ payload: { n, text } }))
      return { n, text, body: Result.getOrThrow(EventCodec.encode(event)) }
    }
    for (const { body, n, text } of Array.from({ length: 500 }, (_, n) => bodyOf(n))) {
      assert.deepStrictEqual(Result.getOrThrow(anyEvent(encoded(body))).payload, { n, text })
    }
  })

  describe("both ways", () => {
    const Uuid = Schema.UndefinedOr(Schema.String.check(Schema.isUUID()))
    const Text = Schema.UndefinedOr(Schema.String)
    const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
    const Millis = Schema.Int.check(Schema.isBetween({ minimum: -62_135_596_800_000, maximum: 253_402_300_799_999 }))
    const Fields = Schema.Struct({
      eventId: Uuid,
      timestamp: Millis,
      sourceAgentId: Text,
      sourceService: Text,
      traceId: Uuid,
      executionId: Uuid,
      parentEventId: Uuid,
      priority: Schema.Literals(Priority.all),
      ttlSeconds: Schema.UndefinedOr(Count),
      maxRetries: Count
    })
    const Payload = Schema.Struct({
      text: Schema.String,
      int: Schema.Int,
      bigint: Schema.BigInt,
      date: Schema.Date,
      optional: Schema.optional(Schema.Boolean),
      nullable: Schema.NullOr(Schema.String),
      list: Schema.Array(Schema.Struct({ a: Schema.Literals(["x", "y"]) })),
      json: Schema.JsonObject
    })
    const Typed = EventType.make("typed.event", { payload: Payload })
    const typed = EventCodec.decoder([AgentEvents.TaskCompleted, Typed])

    /** JSON without what is refused, or not written (minus zero), or misread by V8 13 (a key of one escaped character). */
    const sendable = (json: Schema.JsonObject): Schema.JsonObject =>
      JSON.parse(JSON.stringify(json).replace(/"(\\.|\\u....|__proto__)":/g, '"other":'))

    it.effect.prop(
      "reads what it has written",
      [Fields, Payload, Schema.JsonObject, Count],
      ([{ timestamp, ...fields }, payload, extensions, retryCount]) =>
        Effect.gen(function* () {
          const sent = { ...payload, int: payload.int + 0, json: sendable(payload.json) }
          const made = yield* Typed.event(sent, { ...fields, timestamp: DateTime.makeUnsafe(timestamp + 0) })
          const event = { ...made, retryCount, extensions: sendable(extensions) }
          const body = Result.getOrThrow(EventCodec.encode(event))
          assert.deepStrictEqual(Result.getOrThrow(typed(encoded(body))), event)
        })
    )

    it.effect("has one envelope for one event", () =>
      Effect.gen(function* () {
        const event = yield* Typed.event(
          { text: "", int: 0, bigint: 0n, date: new Date(0), nullable: null, list: [], json: {} },
          { eventId: id, sourceService: "billing", traceId: id, priority: "high", ttlSeconds: 1.5 }
        )
        const options = { routingKey: "a.key", persistent: false, traceparent: "00-1-2-01" }
        const { body, ...envelope } = Result.getOrThrow(EventCodec.toEnvelope(event, options))
        assert.deepStrictEqual(Result.getOrThrow(typed(encoded(body))), event)
        assert.deepStrictEqual(envelope, {
          ...options,
          id,
          type: "typed.event",
          version: 1,
          timestamp: 0,
          source: "billing",
          traceId: id,
          priority: "high",
          ttl: 1500,
          round: 0,
          attempt: undefined,
          origin: undefined,
          fault: undefined
        })
      })
    )
  })
})
