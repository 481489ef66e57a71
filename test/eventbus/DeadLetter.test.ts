import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { DeadLetter, Fault } from "effect-eventbus"
import { envelope } from "./BareBroker.ts"

const event = JSON.stringify({
  event_id: "1f0b5c1e-0000-4000-8000-000000000001",
  event_type: "task.done",
  timestamp: "2026-01-15T10:00:00+00:00",
  payload: { n: 1 },
  retry_count: 3
})
const textOf = (body: Uint8Array | undefined) => new TextDecoder().decode(body)
const fault = {
  ...Fault.make({ reason: "Flaky", message: "no ✓", stack: "Flaky: no", attempts: 2, now: 1000, type: "task.done" }),
  host: "worker-7"
}
const origin = { queue: "work", exchange: "agent_events" }

describe("DeadLetter", () => {
  it("is named by its properties, else by its body, else by its bytes", () => {
    const bare = envelope(event)
    assert.deepInclude(DeadLetter.fromEnvelope({ ...bare, id: "an id", type: "a type" }), {
      id: "an id",
      type: "a type"
    })
    assert.deepInclude(DeadLetter.fromEnvelope(bare), {
      id: "1f0b5c1e-0000-4000-8000-000000000001",
      type: "task.done"
    })
    const [one, same, other] = ["not", "not", "nor"].map((body) => DeadLetter.fromEnvelope(envelope(body)))
    assert.match(one?.id ?? "", /^body-[0-9a-f]{16}$/)
    assert.strictEqual(one?.id, same?.id)
    assert.notStrictEqual(one?.id, other?.id)
    assert.isUndefined(one?.type)
  })

  it("is replayed with its retries forgotten, where there were any, and no other byte changed", () => {
    const again = (body: string) => textOf(DeadLetter.replayed(DeadLetter.fromEnvelope(envelope(body))).body)
    assert.strictEqual(again(event), event.replace('"retry_count":3', '"retry_count":0'))
    for (const body of [event.replace(',"retry_count":3', ""), '{"retry_count":3}', '{"retry_count":3', ""]) {
      assert.strictEqual(again(body), body)
    }
  })

  it("takes JSON text as its payload, with all digits of its numbers, and nothing that is not JSON", () => {
    const letter = DeadLetter.fromEnvelope(envelope(event))
    const payload = '{"n":12345678901234567890,"rate":1.0}'
    const edited = Result.getOrThrow(DeadLetter.edited(letter, payload))
    assert.strictEqual(textOf(edited.envelope.body), event.replace('{"n":1}', payload))
    for (const [wrong, reason] of [
      ['{"n":1', /not JSON/],
      ['{"n":1},"retry_count":9', /not JSON/],
      ["7", /"payload"/]
    ] as const) {
      assert.match(Result.getOrThrow(Result.flip(DeadLetter.edited(letter, wrong))).message, reason)
    }
  })

  describe("as plain data", () => {
    const again = (letter: DeadLetter.DeadLetter) =>
      Result.getOrThrow(DeadLetter.fromJson(JSON.parse(JSON.stringify(DeadLetter.toJson(letter)))))

    for (const [what, body] of [
      ["text", new TextEncoder().encode("\uFEFF{} ✓ \u0000")],
      ["no text", Uint8Array.of(0xff, 0xfe, 0x00)],
      ["nothing", new Uint8Array()]
    ] as const) {
      it(`comes back as it was, with a body of ${what}`, () => {
        const full = { ...envelope(""), body, id: "an id", type: "a.type", version: 2, timestamp: 5000, source: "s" }
        for (const letter of [
          DeadLetter.fromEnvelope({ ...envelope(""), body, attempt: 1 }),
          DeadLetter.fromEnvelope({ ...full, attempt: 1, round: 3, traceId: "t", priority: "critical", origin, fault }),
          DeadLetter.fromEnvelope({ ...full, attempt: 1, content: { type: "text/xml", encoding: "gzip" } }),
          DeadLetter.fromEnvelope({ ...full, attempt: 1, attributes: { specversion: "1.0", id: "1" } }),
          DeadLetter.fromEnvelope({ ...full, attempt: 1, content: { type: undefined, encoding: undefined } })
        ]) {
          const { envelope: after, ...rest } = again(letter)
          assert.deepStrictEqual({ ...rest, envelope: { ...after, body: Uint8Array.from(after.body) } }, letter)
        }
      })
    }

    it("is readable: a body is text, times are ISO 8601", () => {
      const json = DeadLetter.toJson(DeadLetter.fromEnvelope({ ...envelope(event), fault }))
      assert.strictEqual(json.body, event)
      assert.strictEqual(json.fault?.first_failed_at, "1970-01-01T00:00:01.000Z")
    })

    it("is refused where it is none", () => {
      const good = DeadLetter.toJson(DeadLetter.fromEnvelope(envelope(event)))
      for (const bad of [
        null,
        "text",
        {},
        { ...good, body_base64: "AA==" },
        { ...good, body: undefined },
        { ...good, body: undefined, body_base64: "?" },
        { ...good, priority: "urgent" },
        { ...good, round: -1 },
        { ...good, timestamp: "soon" },
        { ...good, timestamp: "2026-02-30T00:00:00Z" },
        { ...good, content: "gzip" },
        { ...good, fault: { reason: "r" } }
      ]) {
        assert.isTrue(Result.isFailure(DeadLetter.fromJson(bad)), JSON.stringify(bad))
      }
    })
  })
})
