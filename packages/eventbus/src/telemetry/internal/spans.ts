/**
 * The common parts of publish and delivery spans, by OpenTelemetry's conventions for
 * messaging (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/).
 *
 * Without a tracer no spans are created; the trace context is still propagated. The
 * same holds for a trace that is not sampled.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

export type AnyFiber = Fiber.Fiber<unknown, unknown>

/** The messaging system, and the destination that events are published to. */
export interface MessagingSystem {
  readonly system: string
  readonly destination: string
}

/** The attributes of a message that spans carry. Never its payload. */
export interface Message {
  readonly id: string | undefined
  readonly type: string | undefined
  readonly traceId: string | undefined
  readonly routingKey: string
}

/** Returns whether spans are recorded: Effect's native tracer records none, and a trace level may exclude them. */
export const isTraced = (fiber: AnyFiber): boolean =>
  fiber.cache.tracerEnabled &&
  fiber.cache.tracer !== undefined &&
  fiber.cache.tracer !== Tracer.nativeTracer &&
  !LogLevel.isGreaterThan(fiber.getRef(Tracer.MinimumTraceLevel), fiber.getRef(Tracer.CurrentTraceLevel))

/** Joins two parts of a destination's name. */
export const joined = (a: string, b: string): string => (a === "" ? b : b === "" ? a : `${a}:${b}`)

/** Gives a span the attributes of a message and of an operation on it. */
export const describe = (
  span: Tracer.Span,
  { destination, system }: MessagingSystem,
  { id, routingKey, traceId, type }: Message,
  operation: { readonly name: string; readonly type: "send" | "process" | "settle" },
  queue = ""
): void => {
  span.attribute("messaging.system", system)
  span.attribute("messaging.operation.name", operation.name)
  span.attribute("messaging.operation.type", operation.type)
  span.attribute("messaging.destination.name", joined(joined(destination, routingKey), queue))
  span.attribute(`messaging.${system}.destination.routing_key`, routingKey)
  if (id !== undefined) span.attribute("messaging.message.id", id)
  if (traceId !== undefined) span.attribute("messaging.message.conversation_id", traceId)
  if (type !== undefined) span.attribute("eventbus.event_type", type)
}

/** Ends a span now. */
export const end = (fiber: AnyFiber, span: Tracer.Span, exit: Exit.Exit<unknown, unknown>): void =>
  span.end(fiber.getRef(References.TracerTimingEnabled) ? fiber.getRef(Clock.Clock).currentTimeNanosUnsafe() : 0n, exit)

/** Ends a span that is not sampled, at its start time: nothing reads its duration, and this costs least. */
export const endUnread = (span: Tracer.Span): void => span.end(span.status.startTime, Exit.void)
