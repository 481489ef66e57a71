/** A body that no correct publisher sends, and the reason for which it is dead-lettered. */
export interface HostileBody {
  readonly name: string
  readonly body: Uint8Array | string
  readonly reason: string
  /** Whether a subscription without event types can decode it. */
  readonly isEvent?: boolean
}

/** The largest body that the bus of the test accepts. */
export const maxBodyBytes = 1024 * 1024

const good = {
  event_id: "1f0b5c1e-0000-4000-8000-000000000001",
  event_type: "ping",
  timestamp: "2026-01-15T10:00:00Z",
  payload: { n: 1 }
}

/** Returns the body of a valid event with some fields replaced. */
export const bodyWith = (fields: object = {}): string => JSON.stringify({ ...good, ...fields })

/** Returns the body of a valid event with a text in place of the payload. */
const payloadText = (text: string): string => bodyWith({ payload: "?" }).replace('"?"', () => text)

/** The invalid values for every field of the envelope. */
const wrongFields: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  event_id: [null, 7, "", "not-a-uuid", {}, []],
  event_type: [null, 7, "", {}, ["ping"]],
  timestamp: [null, 7, "", "yesterday", "2026-13-45T99:00:00Z", {}],
  source_agent_id: [7, {}, []],
  source_service: [7, true],
  trace_id: [7, "trace", {}],
  execution_id: [7, "execution", {}],
  parent_event_id: [7, "parent", {}],
  payload: [null, 7, "text", [], true],
  priority: [7, "urgent", "__proto__", {}],
  ttl_seconds: ["60", -1, {}, true],
  retry_count: ["1", -1, 1.5, 2 ** 60, {}],
  max_retries: ["1", -1, 1.5, 2 ** 60, []]
}

const deep = 100_000

export const all: ReadonlyArray<HostileBody> = [
  { name: "empty", body: "", reason: "InvalidJson" },
  { name: "white space", body: " \n", reason: "InvalidJson" },
  { name: "no JSON", body: "ping", reason: "InvalidJson" },
  { name: "truncated JSON", body: bodyWith().slice(0, -5), reason: "InvalidJson" },
  { name: "a number that is not JSON", body: payloadText(`{"n":NaN}`), reason: "InvalidJson" },
  {
    name: "no UTF-8",
    body: Buffer.concat([Buffer.from(`{"a":"`), Buffer.of(0xff, 0xfe), Buffer.from(`"}`)]),
    reason: "InvalidUtf8"
  },
  { name: "UTF-16", body: Buffer.from(bodyWith(), "utf16le"), reason: "InvalidJson" },
  { name: "a lone surrogate as bytes", body: Buffer.of(0x22, 0xed, 0xa0, 0x80, 0x22), reason: "InvalidUtf8" },
  ...["null", "7", `"ping"`, "[]", `[${bodyWith()}]`].map((body) => ({
    name: `${body.slice(0, 10)} instead of an object`,
    body,
    reason: "InvalidEnvelope"
  })),
  { name: "__proto__ in the envelope", body: `{"__proto__":{},${bodyWith().slice(1)}`, reason: "ForbiddenKey" },
  {
    name: "__proto__ in the payload",
    body: payloadText(`{"n":1,"a":[{"__proto__":{"isAdmin":true}}]}`),
    reason: "ForbiddenKey"
  },
  { name: "__proto__, escaped", body: payloadText(`{"n":1,"\\u005f_proto__":{}}`), reason: "ForbiddenKey" },
  {
    name: "constructor.prototype",
    body: payloadText(`{"n":1,"constructor":{"prototype":{}}}`),
    reason: "ForbiddenKey"
  },
  {
    name: "arrays, 100,000 deep",
    body: payloadText(`{"n":${"[".repeat(deep)}${"]".repeat(deep)}}`),
    reason: "TooDeep"
  },
  {
    name: "objects, 100,000 deep",
    body: payloadText(`${`{"n":`.repeat(deep)}1${"}".repeat(deep)}`),
    reason: "TooDeep"
  },
  { name: "100,000 open brackets", body: "[".repeat(deep), reason: "InvalidJson" },
  {
    name: "one byte over the limit",
    body: bodyWith({ pad: "x".repeat(maxBodyBytes + 1 - bodyWith({ pad: "" }).length) }),
    reason: "TooLarge"
  },
  { name: "an unknown type", body: bodyWith({ event_type: "pong" }), reason: "UnknownEventType", isEvent: true },
  {
    name: "a type named like a property of every object",
    body: bodyWith({ event_type: "constructor" }),
    reason: "UnknownEventType",
    isEvent: true
  },
  { name: "another schema", body: bodyWith({ payload: { n: "one" } }), reason: "InvalidPayload", isEvent: true },
  { name: "an empty payload", body: bodyWith({ payload: {} }), reason: "InvalidPayload", isEvent: true },
  ...Object.entries(wrongFields).flatMap(([field, values]) =>
    values.map((value) => ({
      name: `${field} ${JSON.stringify(value)}`,
      body: bodyWith({ [field]: value }),
      reason: "InvalidEnvelope"
    }))
  )
]
