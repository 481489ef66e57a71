import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
import * as Tracer from "effect/Tracer"

export const attributes = ({ attributes }: Tracer.Span) => Object.fromEntries(attributes)
export const parentOf = (span: Tracer.Span) => Option.getOrUndefined(span.parent)?.spanId
export const linksOf = (span: Tracer.Span) => span.links.map(({ span: { spanId, traceId } }) => `${traceId}/${spanId}`)
export const placeOf = ({ spanId, traceId }: Tracer.AnySpan) => `${traceId}/${spanId}`

/** Returns the failure with which a span ended, if any. */
export const failureOf = ({ status }: Tracer.Span) => {
  assert.strictEqual(status._tag, "Ended")
  if (status._tag !== "Ended" || status.exit._tag === "Success") return undefined
  const [reason] = status.exit.cause.reasons
  return reason?._tag === "Fail" && reason.error instanceof Error ? reason.error : reason
}

/** A span that was started in another process. */
export const elsewhere = (sampled: boolean) =>
  Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled })

/** Makes a fiber yield before nearly every step. With fewer operations than three it makes no progress. */
export const yieldingOften = Effect.provideService(Scheduler.MaxOpsBeforeYield, 3)

export const within = (span: Tracer.AnySpan) => Effect.provideService(Tracer.ParentSpan, span)
