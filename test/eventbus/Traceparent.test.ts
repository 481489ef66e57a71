import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Option, References, Tracer } from "effect"
import { Traceparent } from "effect-eventbus"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"

describe("Traceparent", () => {
  it("reads and prints a span that is sampled, and one that is not", () => {
    for (const [flags, sampled] of [
      ["01", true],
      ["00", false]
    ] as const) {
      const text = `00-${traceId}-${spanId}-${flags}`
      const span = Traceparent.toSpan(text)
      assert.deepInclude(span, { _tag: "ExternalSpan", traceId, spanId, sampled })
      assert.strictEqual(span && Traceparent.fromSpan(span), text)
    }
  })

  it("reads what versions to come may say in the same form", () => {
    assert.deepInclude(Traceparent.toSpan(`cc-${traceId}-${spanId}-03`), { traceId, spanId, sampled: true })
    assert.deepInclude(Traceparent.toSpan(`00-${traceId}-${spanId}-02`), { sampled: false })
  })

  const bad = [
    ["nothing", ""],
    ["another version's end", `ff-${traceId}-${spanId}-01`],
    ["a trace of zeros", `00-${"0".repeat(32)}-${spanId}-01`],
    ["a span of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
    ["upper case", `00-${traceId.toUpperCase()}-${spanId}-01`],
    ["something behind it", `00-${traceId}-${spanId}-01-x`],
    ["something in front of it", ` 00-${traceId}-${spanId}-01`],
    ["a short id", `00-${traceId.slice(1)}-${spanId}-01`]
  ] as const
  for (const [what, text] of bad) {
    it(`takes ${what} for none`, () => {
      assert.isUndefined(Traceparent.toSpan(text))
    })
  }

  it("prints no span that W3C could not read", () => {
    assert.isUndefined(Traceparent.fromSpan(Tracer.externalSpan({ traceId: "noop", spanId: "noop" })))
  })

  it.effect("passes over a span that is not to be propagated, for its parent", () =>
    Effect.gen(function* () {
      const hidden = yield* Effect.makeSpan("hidden").pipe(
        Effect.provideService(Tracer.ParentSpan, Tracer.externalSpan({ traceId, spanId })),
        Effect.provideService(References.TracerEnabled, false)
      )
      assert.isTrue(Option.isSome(hidden.parent))
      assert.strictEqual(Traceparent.fromSpan(hidden), `00-${traceId}-${spanId}-01`)
      const annotations = Context.make(Tracer.DisablePropagation, true)
      assert.isUndefined(Traceparent.fromSpan(Tracer.externalSpan({ traceId, spanId, annotations })))
    })
  )
})
