/**
 * W3C's `traceparent`: where a span stands in its trace, as text.
 *
 * It goes out with an event and stays with it through retries, dead letters and
 * replays: every delivery points at the span that published the event. The form
 * is https://www.w3.org/TR/trace-context/#traceparent-header.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** Ids of zeros and the version `ff` are invalid. */
const pattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

/**
 * Prints where a span stands. A span that is not to be propagated is passed over
 * for its parent; one with ids that W3C does not know has no text.
 *
 * **Example** (There and back)
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
 * Reads a span of another process, or `undefined` where the text is none.
 *
 * @category decoding
 * @since 0.1.0
 */
export const toSpan = (text: string): Tracer.ExternalSpan | undefined => {
  const [, traceId, spanId, flags] = pattern.exec(text) ?? []
  if (traceId === undefined || spanId === undefined) return undefined
  return Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags ?? "", 16) & 1) === 1 })
}
