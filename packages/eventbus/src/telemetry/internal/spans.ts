/**
 * The spans of the bus, by OpenTelemetry's conventions for messaging
 * (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/).
 *
 * Nobody who looks, no span: then all that is done is to pass on where the trace
 * stands. The same holds for a trace that is not sampled.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { Broker } from "../../broker/Broker.ts"
import type { Delivery } from "../../broker/Delivery.ts"
import type { Envelope } from "../../broker/Envelope.ts"
import type { Fault } from "../../broker/Fault.ts"
import type { PublishError } from "../../broker/PublishError.ts"
import type { Event } from "../../event/Event.ts"
import type { DecodedDelivery } from "../../subscribe/DecodedDelivery.ts"
import * as Settlement from "../../subscribe/Settlement.ts"
import type { Subscription } from "../../subscribe/Subscription.ts"
import * as Traceparent from "../Traceparent.ts"

type Place = Pick<Broker["Service"], "system" | "destination">
type AnyFiber = Fiber.Fiber<unknown, unknown>

/** What spans tell of a message; never its payload. */
interface Message {
  readonly id: string | undefined
  readonly type: string | undefined
  readonly traceId: string | undefined
  readonly routingKey: string
}

/** Whether anybody looks at spans: Effect's own tracer keeps none, and a level may leave them out. */
const isTraced = (fiber: AnyFiber): boolean =>
  fiber.cache.tracerEnabled &&
  fiber.cache.tracer !== undefined &&
  fiber.cache.tracer !== Tracer.nativeTracer &&
  !LogLevel.isGreaterThan(fiber.getRef(Tracer.MinimumTraceLevel), fiber.getRef(Tracer.CurrentTraceLevel))

const joined = (a: string, b: string): string => (a === "" ? b : b === "" ? a : `${a}:${b}`)

const describe = (
  span: Tracer.Span,
  { destination, system }: Place,
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

const end = (fiber: AnyFiber, span: Tracer.Span, exit: Exit.Exit<unknown, unknown>): void =>
  span.end(fiber.getRef(References.TracerTimingEnabled) ? fiber.getRef(Clock.Clock).currentTimeNanosUnsafe() : 0n, exit)

/** Nobody reads of a span that is sampled out how long it took. It costs least where it ends as it begins. */
const endUnread = (span: Tracer.Span): void => span.end(span.status.startTime, Exit.void)

/** Publishes in a span of its own, of which the event carries the `traceparent`. */
export const publishing =
  (place: Place) =>
  (
    fiber: AnyFiber,
    event: Event,
    routingKey: string,
    publish: (traceparent: string | undefined) => Effect.Effect<void, PublishError>
  ): Effect.Effect<void, PublishError> => {
    const { span: ambient } = fiber.cache
    const traceparent = ambient === undefined ? undefined : Traceparent.fromSpan(ambient)
    if (!isTraced(fiber) || traceparent?.endsWith("-00") === true) return publish(traceparent)
    const { eventId: id, eventType: type, traceId } = event
    // A routing key may be anything; of event types there are only so many.
    const template = joined(place.destination, type)
    // `useSpan` would hold a span that is sampled out until the publish is confirmed, for the garbage collector to move.
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.makeSpan(`publish ${template}`, { kind: "producer" }), (span) => {
        const send = () => publish(Traceparent.fromSpan(span))
        if (!span.sampled) {
          endUnread(span)
          return restore(send())
        }
        describe(span, place, { id, type, traceId, routingKey }, { name: "publish", type: "send" })
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

const producerOf = ({ traceparent }: Pick<Envelope, "traceparent">): Tracer.ExternalSpan | undefined =>
  traceparent === undefined ? undefined : Traceparent.toSpan(traceparent)

const linkTo = (span: Tracer.AnySpan | undefined): ReadonlyArray<Tracer.SpanLink> =>
  span === undefined ? [] : [{ span, attributes: {} }]

/** From here on, for a fiber that ends with its delivery: nothing has to be put back. */
const goOnIn = (fiber: AnyFiber, span: Tracer.AnySpan): void =>
  fiber.setContext(Context.add(fiber.context, Tracer.ParentSpan, span))

const toError = ({ message, reason, stack }: Fault): Error =>
  Object.assign(new Error(message), { name: reason, stack: stack ?? `${reason}: ${message}` })

/** Ends the span of an attempt. One that failed has been answered, and is an error all the same. */
const endAs = (fiber: AnyFiber, span: Tracer.Span, fault: Fault | undefined): void => {
  if (fault !== undefined) span.attribute("error.type", fault.reason)
  end(fiber, span, fault === undefined ? Exit.void : Exit.fail(toError(fault)))
}

const operations: Readonly<Record<Settlement.Settlement["_tag"], string>> = {
  Ack: "ack",
  Requeue: "requeue",
  Retry: "retry",
  DeadLetter: "dead_letter",
  Discard: "discard"
}

/** A subscription goes on when the span is long over in which it was started: that one is nobody's parent. */
const ofItsOwn = { root: true } as const

/** The spans of a subscription's deliveries. */
export interface Spans {
  /**
   * Handles a delivery in a span of its own, which is the parent of everything in
   * the handler, and of the settlement after it. Without one, the span that
   * published the event takes its place. The fiber must be the delivery's own.
   */
  readonly processing: <R>(
    fiber: AnyFiber,
    delivered: DecodedDelivery,
    handling: Effect.Effect<Settlement.Settlement, never, R>,
    settle: (settlement: Settlement.Settlement) => Effect.Effect<void>
  ) => Effect.Effect<void, never, R>
  /** Settles a delivery in a span of its own. What no handler has seen belongs to no other span. */
  readonly settling: (
    fiber: AnyFiber,
    delivery: Delivery,
    settlement: Settlement.Settlement,
    isHandled: boolean,
    settle: Effect.Effect<void>
  ) => Effect.Effect<void>
}

export const ofSubscription = (
  place: Place,
  { producerSpan, name: queue, temporary }: Pick<Subscription<Event>, "name" | "temporary" | "producerSpan">
): Spans => {
  /** There may be any number of queues that are each somebody's alone: their names are not for spans. */
  const nameOf = (operation: string) => (temporary ? operation : `${operation} ${queue}`)
  const describeHere = (span: Tracer.Span, message: Message, name: string, type: "process" | "settle") => {
    describe(span, place, message, { name, type }, queue)
    if (temporary) span.attribute("messaging.destination.temporary", true)
  }

  return {
    processing: (fiber, { attempt, envelope, event }, handling, settle) => {
      const producer = producerOf(envelope)
      if (producer?.sampled === false || !isTraced(fiber)) {
        if (producer !== undefined) goOnIn(fiber, producer)
        return Effect.flatMap(handling, settle)
      }
      const parent = producerSpan === "parent" && producer !== undefined ? { parent: producer } : ofItsOwn
      const options = { kind: "consumer", links: linkTo(producer), ...parent } as const
      return Effect.useSpan(nameOf("process"), options, (span) => {
        goOnIn(fiber, span)
        if (!span.sampled) {
          endUnread(span)
          return Effect.flatMap(handling, settle)
        }
        const { eventId: id, eventType: type, traceId } = event
        describeHere(span, { id, type, traceId, routingKey: envelope.routingKey }, "process", "process")
        span.attribute("eventbus.attempt", attempt)
        return Effect.flatMap(handling, (settlement) => {
          endAs(fiber, span, Settlement.faultOf(settlement))
          return settle(settlement)
        })
      })
    },
    settling: (fiber, { envelope }, settlement, isHandled, settle) => {
      if (fiber.cache.span?.sampled === false || !isTraced(fiber)) return settle
      const name = operations[settlement._tag]
      const links = linkTo(producerOf(envelope))
      const options = { kind: "client", links, ...(isHandled ? {} : ofItsOwn) } as const
      return Effect.useSpan(nameOf(name), options, (span) => {
        if (!span.sampled) return settle
        describeHere(span, envelope, name, "settle")
        const reason = Settlement.faultOf(settlement)?.reason
        if (reason !== undefined) span.attribute("eventbus.reason", reason)
        return settle
      })
    }
  }
}
