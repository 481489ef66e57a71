/**
 * Replies to the requests of a subscription, within their deadlines.
 *
 * A reply is stored in the queue of its requester before the request is acknowledged.
 * So a crash in between makes a second reply, which the requester drops, and never none.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Broker } from "../../broker/Broker.ts"
import type { Delivery } from "../../broker/Delivery.ts"
import type { Envelope } from "../../broker/Envelope.ts"
import * as Fault from "../../broker/Fault.ts"
import * as QueueSpec from "../../broker/QueueSpec.ts"
import type { Event } from "../../event/Event.ts"
import * as Reply from "../../event/Reply.ts"
import * as Metrics from "../../telemetry/Metrics.ts"
import * as Traceparent from "../../telemetry/Traceparent.ts"
import type { DecodedDelivery } from "../DecodedDelivery.ts"
import * as Settlement from "../Settlement.ts"
import type { Subscription } from "../Subscription.ts"

/** The delays between two attempts to send a reply. */
const backoff = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.jittered,
  // Not every requester says how long it waits.
  Schedule.upTo({ duration: "1 minute" })
)

/** Returns when the requester stops waiting. An operator who replays a dead letter wants it handled, without a deadline. */
const deadlineOf = ({ envelope, event, queue }: DecodedDelivery): number => {
  const { replyTo, round } = envelope
  const { timestamp, ttlSeconds } = event
  return replyTo === undefined || ttlSeconds === undefined || round > 0 || QueueSpec.isDeadLetterQueue(queue)
    ? Infinity
    : DateTime.toEpochMillis(timestamp) + ttlSeconds * 1000
}

const expired = ({ attempt, envelope, event }: DecodedDelivery, now: number): Settlement.Settlement =>
  Settlement.discard(
    Fault.make({
      reason: "expired",
      message: "the requester no longer waits for the reply",
      attempts: attempt,
      now,
      type: event.eventType,
      previous: envelope.fault
    })
  )

/** Replies to the requests of a subscription. */
export interface Responder {
  /** Returns when the requester of a delivery stops waiting, in milliseconds since 1970. */
  readonly deadlineOf: (decoded: DecodedDelivery) => number
  /** Interrupts the handling of a request at its deadline, and drops a request that has passed it. */
  readonly withinDeadline: <E, R>(
    decoded: DecodedDelivery,
    handling: Effect.Effect<Settlement.Settlement, E, R>
  ) => Effect.Effect<Settlement.Settlement, E, R>
  /** Returns the settlement of a request. A retry that would come after the deadline dead-letters it. */
  readonly decide: (decoded: DecodedDelivery, settlement: Settlement.Settlement, now: number) => Settlement.Settlement
  /** Sends a reply, if the delivery is a request. It never fails: it counts a reply that cannot be sent. */
  readonly reply: (delivery: Delivery, reply: Reply.Reply, deadline: number) => Effect.Effect<void>
  /** Tells the requester that its request is given up, unless it has stopped waiting. */
  readonly giveUp: (delivery: Delivery, fault: Fault.Fault | undefined, deadline: number) => Effect.Effect<void>
}

/**
 * Makes a responder. Where the handler replies to no requests, nothing has a deadline,
 * and another handler may reply to what is given up here.
 */
export const make = (
  broker: Broker["Service"],
  subscription: Subscription<Event>,
  registry: Metrics.Registry,
  responds: boolean
): Responder => {
  const labels = Metrics.labelsOf(subscription)
  const sent = Metrics.all.replies.series(registry, labels)
  const undelivered = Metrics.all.undeliveredReplies.series(registry, labels)

  const bodyOf = (reply: Reply.Reply): Uint8Array => {
    const body = Reply.encode(reply)
    if (body.length <= broker.maxBodyBytes) return body
    const message = `the reply has ${body.length} bytes, and the limit is ${broker.maxBodyBytes}`
    return Reply.encode({ _tag: "Died", message })
  }

  const envelopeOf = (
    request: Envelope,
    to: string,
    reply: Reply.Reply,
    now: number,
    traceparent: string | undefined
  ) => ({
    id: crypto.randomUUID(),
    type: undefined,
    version: undefined,
    routingKey: to,
    body: bodyOf(reply),
    timestamp: now,
    source: undefined,
    traceId: undefined,
    priority: request.priority,
    ttl: undefined,
    persistent: request.persistent,
    traceparent,
    correlationId: request.correlationId,
    round: 0,
    attempt: undefined,
    origin: undefined,
    fault: undefined
  })

  const reply: Responder["reply"] = (delivery, reply, deadline) =>
    Effect.withFiber((fiber) => {
      const { envelope } = delivery
      const { replyTo } = envelope
      if (replyTo === undefined) return Effect.void
      const clock = fiber.getRef(Clock.Clock)
      const now = () => clock.currentTimeMillisUnsafe()
      const { span } = fiber.cache
      const traceparent = span === undefined ? undefined : Traceparent.fromSpan(span)
      return broker.reply(replyTo, envelopeOf(envelope, replyTo, reply, now(), traceparent)).pipe(
        Effect.retry({
          schedule: backoff,
          while: (reason) => reason.isRetryable && delivery.isLive() && now() < deadline
        }),
        Effect.matchEffect({
          onSuccess: () => Effect.sync(() => sent(1)),
          onFailure: (reason) => {
            undelivered(1)
            const log = reason._tag === "Unroutable" ? Effect.logDebug : Effect.logWarning
            return log(`A reply of "${subscription.name}" was not delivered: ${reason.message}`)
          }
        })
      )
    })

  const giveUp: Responder["giveUp"] = (delivery, fault, deadline) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { type } = delivery.envelope
      // A request of another type that has come here by its pattern has a responder elsewhere.
      const isOurs = type === undefined || subscription.events.some(({ name }) => name === type)
      if (!responds || !isOurs || now >= deadline) return Effect.void
      const message = fault === undefined ? "its responder gave it up" : Fault.summary(fault)
      return reply(delivery, { _tag: "Died", message }, deadline)
    })

  return {
    deadlineOf: (decoded) => (responds ? deadlineOf(decoded) : Infinity),
    withinDeadline: (decoded, handling) => {
      const deadline = responds ? deadlineOf(decoded) : Infinity
      if (deadline === Infinity) return handling
      // A timer can be early. Before the deadline, the requester would be told that its responder died.
      const drop: Effect.Effect<Settlement.Settlement> = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        now < deadline
          ? Effect.andThen(Effect.sleep(Math.ceil(deadline - now)), drop)
          : Effect.succeed(expired(decoded, now))
      )
      return Effect.flatMap(Clock.currentTimeMillis, (now) =>
        now < deadline ? Effect.timeoutOrElse(handling, { duration: deadline - now, orElse: () => drop }) : drop
      )
    },
    decide: (decoded, settlement, now) => {
      if (!responds || settlement._tag !== "Retry") return settlement
      const isInTime = now + Duration.toMillis(settlement.delay) < deadlineOf(decoded)
      return isInTime ? settlement : Settlement.deadLetter(settlement.fault)
    },
    reply,
    giveUp
  }
}
