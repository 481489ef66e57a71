/**
 * The spans of requests.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { type AnyFiber, isTraced, joined, type MessagingSystem } from "../../telemetry/internal/spans.ts"
import * as Traceparent from "../../telemetry/Traceparent.ts"
import type { RequestError } from "../RequestError.ts"

/** Takes note of the trace context of a reply. */
export interface Answered {
  (traceparent: string | undefined): void
}

const ignore: Answered = () => {}

/** Runs a request in a span of its own, which is linked with the span that replied. */
export const make =
  ({ destination, system }: MessagingSystem) =>
  <A>(
    fiber: AnyFiber,
    eventType: string,
    request: (answered: Answered) => Effect.Effect<A, RequestError>
  ): Effect.Effect<A, RequestError> => {
    if (fiber.cache.span?.sampled === false || !isTraced(fiber)) return request(ignore)
    return Effect.useSpan(`request ${joined(destination, eventType)}`, { kind: "client" }, (span) => {
      span.attribute("messaging.system", system)
      span.attribute("messaging.operation.name", "request")
      span.attribute("eventbus.event_type", eventType)
      return request((traceparent) => {
        const responder = traceparent === undefined ? undefined : Traceparent.toSpan(traceparent)
        if (responder !== undefined) span.addLinks([{ span: responder, attributes: {} }])
      }).pipe(
        Effect.tapError(({ reason }) => Effect.sync(() => span.attribute("error.type", reason._tag))),
        Effect.provideService(Tracer.ParentSpan, span)
      )
    })
  }
