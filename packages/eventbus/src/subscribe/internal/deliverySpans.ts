/**
 * The spans of a subscription's deliveries.
 *
 * @internal
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"
import type { Delivery } from "../../broker/Delivery.ts"
import type { Envelope } from "../../broker/Envelope.ts"
import { type Fault, summary } from "../../broker/Fault.ts"
import type { Event } from "../../event/Event.ts"
import {
  type AnyFiber,
  describe,
  end,
  endUnread,
  isTraced,
  type Message,
  type MessagingSystem
} from "../../telemetry/internal/spans.ts"
import * as Traceparent from "../../telemetry/Traceparent.ts"
import type { DecodedDelivery } from "../DecodedDelivery.ts"
import * as Settlement from "../Settlement.ts"
import type { Subscription } from "../Subscription.ts"

const producerOf = ({ traceparent }: Pick<Envelope, "traceparent">): Tracer.ExternalSpan | undefined =>
  traceparent === undefined ? undefined : Traceparent.toSpan(traceparent)

const linkTo = (span: Tracer.AnySpan | undefined): ReadonlyArray<Tracer.SpanLink> =>
  span === undefined ? [] : [{ span, attributes: {} }]

/** Makes a span the parent of all that the fiber does next. It is not restored, as the fiber ends with its delivery. */
const goOnIn = (fiber: AnyFiber, span: Tracer.AnySpan): void =>
  fiber.setContext(Context.add(fiber.context, Tracer.ParentSpan, span))

const toError = (fault: Fault): Error =>
  Object.assign(new Error(fault.message), { name: fault.reason, stack: fault.stack ?? summary(fault) })

/** Ends the span of an attempt. A failed attempt is an error, even though its policy has answered it. */
const endAs = (fiber: AnyFiber, span: Tracer.Span, fault: Fault | undefined): void => {
  if (fault !== undefined) span.attribute("error.type", fault.reason)
  end(fiber, span, fault === undefined ? Exit.void : Exit.fail(toError(fault)))
}

const operations: Readonly<Record<Settlement.Settlement["_tag"], string>> = {
  Ack: "ack",
  Requeue: "requeue",
  Retry: "retry",
  DeadLetter: "dead_letter",
  Discard: "discard",
  Pause: "requeue"
}

/** Starts a trace, because a subscription outlives the span in which it was started. */
const ofItsOwn = { root: true } as const

/** The spans of a subscription's deliveries. */
export interface DeliverySpans {
  /**
   * Handles a delivery in a span of its own, which is the parent of everything in the
   * handler, and of the settlement. When no span is created, the span that published
   * the event takes its place. The fiber must belong to the delivery.
   */
  readonly processing: <R>(
    fiber: AnyFiber,
    delivered: DecodedDelivery,
    handling: Effect.Effect<Settlement.Settlement, never, R>,
    settle: (settlement: Settlement.Settlement) => Effect.Effect<void>
  ) => Effect.Effect<void, never, R>
  /** Settles a delivery in a span of its own. When no handler saw the delivery, the span has no parent. */
  readonly settling: (
    fiber: AnyFiber,
    delivery: Delivery,
    settlement: Settlement.Settlement,
    isHandled: boolean,
    settle: Effect.Effect<void>
  ) => Effect.Effect<void>
}

export const make = (
  system: MessagingSystem,
  { producerSpan, name: queue, temporary }: Pick<Subscription<Event>, "name" | "temporary" | "producerSpan">
): DeliverySpans => {
  /** Omits the names of temporary queues, which are unbounded. */
  const nameOf = (operation: string) => (temporary ? operation : `${operation} ${queue}`)
  const describeHere = (span: Tracer.Span, message: Message, name: string, type: "process" | "settle") => {
    describe(span, system, message, { name, type }, queue)
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
