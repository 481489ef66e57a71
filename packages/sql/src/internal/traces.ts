/**
 * The trace context that travels with an event.
 *
 * @internal
 */

import * as Traceparent from "effect-eventbus/Traceparent"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** Returns whether spans are recorded: Effect's native tracer records none. */
export const isTraced = ({ cache: { tracer, tracerEnabled } }: AnyFiber): boolean =>
  tracerEnabled && tracer !== undefined && tracer !== Tracer.nativeTracer

/**
 * Returns the trace context of a fiber. Where no span is recorded, it is that of another process, if there is one: a
 * transaction always has a span, and a header for a trace that nothing records costs the broker time.
 */
export const traceparentOf = (fiber: AnyFiber): string | undefined => {
  let { span } = fiber.cache
  if (!isTraced(fiber)) {
    while (span?._tag === "Span") span = Option.getOrUndefined(span.parent)
  }
  return span === undefined ? undefined : Traceparent.fromSpan(span)
}
