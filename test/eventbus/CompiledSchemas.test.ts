import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { type Event, EventCodec, EventType } from "effect-eventbus"

const payloadOf = () =>
  Schema.Struct({
    id: Schema.String.check(Schema.isMaxLength(20)),
    amount: Schema.BigInt,
    lines: Schema.Array(Schema.Struct({ sku: Schema.NonEmptyString, quantity: Schema.Int })),
    note: Schema.optional(Schema.NullOr(Schema.String)),
    kind: Schema.Literals(["a", "b"])
  })
type Payload = ReturnType<typeof payloadOf>["Type"]

const some: Payload = { id: "1", amount: 2n, lines: [{ sku: "tea", quantity: 1 }], kind: "a" }

/** A parser is what it is from its first use. */
const make = () => {
  const type = EventType.make("order.placed", { payload: payloadOf() })
  type.decodePayload(Result.getOrThrow(type.encodePayload(some)))
  return { type, decode: EventCodec.decoder([type]) }
}

const interpreted = make()
await import("effect/schema/SchemaJITCompiler/enable")
const generated = vi.spyOn(globalThis, "Function")
const compiled = make()
const functions = generated.mock.calls.length
generated.mockRestore()

const encode = (event: Event.Event) => Result.map(EventCodec.encode(event), (body) => new TextDecoder().decode(body))
const fieldsOf = (event: Event.Event) => ({ ...event, "~effect-eventbus/Event": "its type" })

describe("An event type whose schemas Effect compiles", () => {
  it("is not the interpreted one", () => {
    assert.isAtLeast(functions, 2)
  })

  it.effect.prop("writes and reads the same", [interpreted.type.payload], ([payload]) =>
    Effect.gen(function* () {
      const event = yield* interpreted.type.event(payload)
      const body = encode(event)
      assert.deepStrictEqual(encode(yield* compiled.type.event(payload, event)), body)
      const sent = { body: new TextEncoder().encode(Result.getOrThrow(body)), version: undefined }
      const [one, other] = [interpreted.decode(sent), compiled.decode(sent)].map(Result.getOrThrow)
      assert.deepStrictEqual(fieldsOf(other!), fieldsOf(one!))
    })
  )

  const Wrong = Schema.Struct({
    id: Schema.Json,
    amount: Schema.Json,
    lines: Schema.Json,
    note: Schema.Json,
    kind: Schema.Json
  })

  it.effect.prop("refuses the same, in the same words", [Wrong], ([json]) =>
    Effect.gen(function* () {
      const event = yield* EventType.untyped("order.placed").event(json)
      const bytes = Result.map(encode(event), (body) => new TextEncoder().encode(body))
      if (Result.isFailure(bytes)) return
      const [one, other] = [interpreted, compiled].map(({ decode }) =>
        Result.mapBoth(decode({ body: bytes.success, version: undefined }), { onSuccess: fieldsOf, onFailure: String })
      )
      assert.deepStrictEqual(other, one)
    })
  )
})
