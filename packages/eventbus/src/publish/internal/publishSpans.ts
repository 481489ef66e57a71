/**
 * The spans of publishes.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { PublishError } from "../../broker/PublishError.ts"
import type { Event } from "../../event/Event.ts"
import {
  type AnyFiber,
  describe,
  end,
  endUnread,
  isTraced,
  joined,
  type MessagingSystem
} from "../../telemetry/internal/spans.ts"
import * as Traceparent from "../../telemetry/Traceparent.ts"

/** Runs a publish in a span of its own, whose `traceparent` travels with the event. */
export const make =
  (system: MessagingSystem) =>
  (
    fiber: AnyFiber,
    { event, routingKey }: { readonly event: Event; readonly routingKey: string },
    publish: (traceparent: string | undefined) => Effect.Effect<void, PublishError>
  ): Effect.Effect<void, PublishError> => {
    const { span: ambient } = fiber.cache
    const traceparent = ambient === undefined ? undefined : Traceparent.fromSpan(ambient)
    if (!isTraced(fiber) || traceparent?.endsWith("-00") === true) return publish(traceparent)
    const { eventId: id, eventType: type, traceId } = event
    // Routing keys are unbounded, so the name of the span has the event type.
    const template = joined(system.destination, type)
    // `useSpan` would keep a span that is not sampled until the confirm, and the garbage collector would move it.
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.makeSpan(`publish ${template}`, { kind: "producer" }), (span) => {
        const send = () => publish(Traceparent.fromSpan(span))
        if (!span.sampled) {
          endUnread(span)
          return restore(send())
        }
        describe(span, system, { id, type, traceId, routingKey }, { name: "publish", type: "send" })
        span.attribute("messaging.destination.template", template)
        return Effect.onExit(restore(Effect.suspend(send)), (exit) =>
          Effect.sync(() => {
            const error = Exit.findErrorOption(exit)
            if (Option.isSome(error)) span.attribute("error.type", error.value.reason._tag)
            end(fiber, span, exit)
          })
        )
      })
    )
  }
