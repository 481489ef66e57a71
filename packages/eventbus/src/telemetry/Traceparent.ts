/**
 * The W3C `traceparent`: the trace context of a span as text.
 *
 * It travels with an event through retries, dead letters and replays, so every delivery
 * refers to the span that published the event. The format is
 * https://www.w3.org/TR/trace-context/#traceparent-header.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** Refuses ids of zeros and the version `ff`, which are invalid. */
const pattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

/**
 * Formats the trace context of a span. For a span with propagation disabled, it formats
 * the parent. Returns `undefined` for ids that W3C does not allow.
 *
 * **Example** (Parsing and formatting)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Traceparent } from "effect-eventbus"
 *
 * const text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
 * const span = Traceparent.toSpan(text)
 * assert.strictEqual(span && Traceparent.fromSpan(span), text)
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const fromSpan = (span: Tracer.AnySpan): string | undefined => {
  if (Context.get(span.annotations, Tracer.DisablePropagation)) {
    return span._tag === "Span" && Option.isSome(span.parent) ? fromSpan(span.parent.value) : undefined
  }
  const text = `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
  return pattern.test(text) ? text : undefined
}

/**
 * Parses the span of another process. Returns `undefined` when the text is not a
 * `traceparent`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const toSpan = (text: string): Tracer.ExternalSpan | undefined => {
  const [, traceId, spanId, flags] = pattern.exec(text) ?? []
  if (traceId === undefined || spanId === undefined) return undefined
  return Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags ?? "", 16) & 1) === 1 })
}
