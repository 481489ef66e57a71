/**
 * Publishes requests, and waits for their replies.
 *
 * A requester has one queue for all replies, which it declares with the first request.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as RcMap from "effect/RcMap"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { Broker } from "../broker/Broker.ts"
import type { SubscribeError } from "../broker/BrokerError.ts"
import type { Envelope } from "../broker/Envelope.ts"
import type { PublishError } from "../broker/PublishError.ts"
import * as RoutingKey from "../broker/RoutingKey.ts"
import type * as Event from "../event/Event.ts"
import * as EventCodec from "../event/EventCodec.ts"
import type * as EventType from "../event/EventType.ts"
import * as Reply from "../event/Reply.ts"
import type { PublishOptions, Publisher } from "../publish/Publisher.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Inbox from "./internal/Inbox.ts"
import * as RequestMetrics from "./internal/requestMetrics.ts"
import * as RequestSpans from "./internal/requestSpans.ts"
import * as RequestError from "./RequestError.ts"

/**
 * Wraps a publish. It passes the event to `next`, changed or not, once.
 *
 * @category models
 * @since 0.1.0
 */
export interface AroundPublish {
  (
    event: Event.Event,
    next: (event: Event.Event) => Effect.Effect<void, PublishError>
  ): Effect.Effect<void, PublishError>
}

/**
 * Options of a request.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestOptions extends Pick<PublishOptions, "routingKey" | "persistent"> {
  /** The longest time from the request to its reply, in which publishing is included. */
  readonly timeout: Duration.Input
  /** Wraps the publish of the request, as `Middleware.layer` does for a whole bus. */
  readonly around?: AroundPublish | undefined
}

/**
 * A reply that answers a request.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = Exclude<Reply.Reply, { readonly _tag: "Died" }>

/**
 * Publishes requests, and waits for their replies.
 *
 * @category models
 * @since 0.1.0
 */
export interface Requester {
  /** Publishes an event as a request, and returns the reply. */
  readonly request: (event: Event.Event, options: RequestOptions) => Effect.Effect<Answer, RequestError.RequestError>
  /** Publishes an event, and returns the first event of the types that names it as its parent. */
  readonly ask: <const Types extends readonly [EventType.Any, ...ReadonlyArray<EventType.Any>]>(
    event: Event.Event,
    replies: Types,
    options: RequestOptions
  ) => Effect.Effect<EventCodec.Decoded<Types>, RequestError.RequestError>
  /** Returns the queue for replies, once there is one, and the number of requests that wait for their reply. */
  readonly status: () => { readonly replyQueue: string | undefined; readonly waiting: number }
}

/** The longest timer of JavaScript, in milliseconds. */
const longestTimeout = 2 ** 31 - 1
/** The time that a queue for events which answer questions outlives the last question. */
const idleTimeToLive = "1 minute"

/**
 * Checks the options of a request, and returns its timeout in milliseconds. It throws a
 * `RangeError` for a timeout that is not from 1 to 2³¹ − 1 milliseconds, and for an invalid
 * routing key.
 *
 * @category guards
 * @since 0.1.0
 */
export const check = ({ routingKey, timeout }: RequestOptions): number => {
  if (routingKey !== undefined) RoutingKey.check(routingKey)
  const millis = Duration.toMillis(Duration.fromInputUnsafe(timeout))
  if (millis >= 1 && millis <= longestTimeout) return millis
  throw new RangeError(`The timeout of a request must be from 1 to ${longestTimeout} milliseconds, not ${millis}`)
}

const asItIs: AroundPublish = (event, next) => next(event)

const reasonOf = ({ reason }: PublishError): RequestError.Reason =>
  reason._tag === "Unroutable" ? new RequestError.NoResponder({ routingKey: reason.routingKey }) : reason

/** The types of the events that answer questions share a queue by their name. Replies have one by the empty name. */
const forReplies = ""

const anyEvent = EventCodec.decoder([])

const parentOf = (envelope: Envelope): string | undefined => Result.getOrUndefined(anyEvent(envelope))?.parentEventId

/** A request and the way to read its reply. */
interface Exchange<A> {
  readonly event: Event.Event
  readonly millis: number
  /** The names of the inboxes that a reply may come to. */
  readonly inboxes: ReadonlyArray<string>
  readonly key: string
  readonly send: (queue: string) => Effect.Effect<void, PublishError>
  readonly read: (envelope: Envelope) => Result.Result<A, RequestError.Reason>
  readonly outcomeOf: (answer: A) => string
}

const readAnswer = ({ body }: Envelope): Result.Result<Answer, RequestError.Reason> => {
  const reply = Reply.decode(body)
  if (Result.isFailure(reply)) return Result.fail(new RequestError.InvalidReply({ detail: reply.failure }))
  return reply.success._tag === "Died"
    ? Result.fail(new RequestError.ResponderDied({ detail: reply.success.message }))
    : Result.succeed(reply.success)
}

/**
 * Makes a requester on a broker.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  broker: Broker["Service"],
  publisher: Publisher
): Effect.fn.Return<Requester, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<never>()
  const registry = yield* Metrics.registry
  const clock = yield* Clock.Clock
  const spanned = RequestSpans.make(broker)
  const counted = RequestMetrics.counter(registry, clock)
  const late = Metrics.all.lateReplies.series(registry, {})
  const opened = new Map<string, Inbox.Inbox>()
  let count = 0
  let waiting = 0
  let isClosed = false

  const makeInbox = (name: string) => {
    if (name !== forReplies) {
      return Inbox.make(broker, { patterns: [`${name}.*`], keyOf: parentOf, onUnexpected: () => {} })
    }
    const keyOf = ({ correlationId }: Envelope) => correlationId
    return Inbox.make(broker, { patterns: [], keyOf, onUnexpected: () => late(1) })
  }
  const inboxes: RcMap.RcMap<string, Inbox.Inbox, SubscribeError> = yield* RcMap.make({
    // It belongs to the bus, not to the trace and the handler of the first request.
    lookup: (name: string) =>
      Effect.flatMap(Effect.scope, (scope) =>
        Effect.setContext(makeInbox(name), Context.add(context, Scope.Scope, scope))
      ).pipe(
        Effect.tap((inbox) => {
          opened.set(name, inbox)
          return Effect.addFinalizer(() => Effect.sync(() => opened.delete(name)))
        }),
        // The next request tries again, also when nothing waits for this one any more.
        Effect.tapError(() => Effect.forkIn(RcMap.invalidate(inboxes, name), scope, { startImmediately: true }))
      ),
    idleTimeToLive: (name) => (name === forReplies ? Duration.infinity : Duration.fromInputUnsafe(idleTimeToLive))
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => (isClosed = true)))

  const open = (name: string): Effect.Effect<Inbox.Inbox, RequestError.Reason, Scope.Scope> =>
    RcMap.get(inboxes, name).pipe(
      Effect.mapError(({ reason }) => new RequestError.NoReplyQueue({ reason })),
      // A map that closes interrupts what waits for it.
      Effect.catchCause((cause): Effect.Effect<never, RequestError.Reason> =>
        isClosed && Cause.hasInterruptsOnly(cause) ? Effect.fail(new RequestError.Closed()) : Effect.failCause(cause)
      )
    )
  const inboxOf = (name: string) =>
    Effect.suspend(() => (isClosed ? Effect.fail(new RequestError.Closed()) : open(name)))

  /** Sends a request, and waits for its reply, which may come before the broker has confirmed the request. */
  const sendAndWait = <A>(
    { key, read, send }: Exchange<A>,
    state: { delivered: boolean },
    answered: RequestSpans.Answered,
    to: ReadonlyArray<Inbox.Inbox>
  ) =>
    Effect.uninterruptibleMask((restore) => {
      const reply: Inbox.Awaited = Deferred.makeUnsafe()
      waiting += 1
      for (const inbox of to) inbox.expect(key, reply)
      const sending = send(to[0]?.queue ?? "").pipe(
        Effect.matchCauseEffect({
          onSuccess: () => Effect.sync(() => (state.delivered = true)),
          // It is interrupted with the bus, which tells what waits that it is closed.
          onFailure: (cause) =>
            Cause.hasInterruptsOnly(cause) ? Effect.void : Deferred.failCause(reply, Cause.map(cause, reasonOf))
        })
      )
      return Effect.flatMap(Effect.forkIn(sending, scope, { startImmediately: true }), (fiber) =>
        restore(Deferred.await(reply)).pipe(
          Effect.onInterrupt(() => Fiber.interrupt(fiber)),
          Effect.ensuring(
            Effect.sync(() => {
              waiting -= 1
              for (const inbox of to) inbox.forget(key, reply)
            })
          ),
          Effect.flatMap((envelope) => {
            answered(envelope.traceparent)
            return Effect.fromResult(read(envelope))
          })
        )
      )
    })

  const exchange = <A>(of: Exchange<A>): Effect.Effect<A, RequestError.RequestError> =>
    Effect.withFiber((fiber) => {
      const { eventId, eventType } = of.event
      const { millis } = of
      return spanned(fiber, eventType, (answered) => {
        const state = { delivered: false }
        const request = Effect.forEach(of.inboxes, inboxOf).pipe(
          Effect.flatMap((to) => sendAndWait(of, state, answered, to)),
          Effect.scoped,
          // It counts from here, because a broker that is away must not make anything wait for longer.
          Effect.timeoutOrElse({
            duration: millis,
            orElse: () => Effect.fail(new RequestError.NoReply({ millis, delivered: state.delivered }))
          }),
          Effect.mapError((reason) => new RequestError.RequestError({ eventId, eventType, reason }))
        )
        return counted(request, of.outcomeOf)
      })
    })

  return {
    status: () => ({ replyQueue: opened.get(forReplies)?.queue, waiting }),
    request: (event, { around = asItIs, timeout, ...options }) => {
      const millis = check({ timeout, ...options })
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const correlationId = `${++count}`
        // The event may be older than the request, as one is that is sent again.
        const ttlSeconds = (now + millis - DateTime.toEpochMillis(event.timestamp)) / 1000
        const request = { ...event, ttlSeconds: Math.max(0, ttlSeconds) }
        return exchange({
          event,
          millis,
          inboxes: [forReplies],
          key: correlationId,
          send: (queue) =>
            around(request, (event) =>
              publisher.publish(event, { ...options, unroutable: "fail" }, { queue, correlationId })
            ),
          read: readAnswer,
          outcomeOf: ({ _tag }) => _tag
        })
      })
    },
    ask: (event, replies, { around = asItIs, timeout, ...options }) => {
      const millis = check({ timeout, ...options })
      const decode = EventCodec.decoder(replies)
      return exchange({
        event,
        millis,
        inboxes: [...new Set(replies.map(({ name }) => name))],
        key: event.eventId,
        send: () => around(event, (event) => publisher.publish(event, { ...options, unroutable: "fail" })),
        read: (envelope) =>
          Result.mapError(decode(envelope), ({ detail }) => new RequestError.InvalidReply({ detail })),
        outcomeOf: () => "Success"
      })
    }
  }
})
