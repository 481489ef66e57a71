/**
 * Typed requests: an event with the schemas of its reply.
 *
 * `call` publishes the request and waits for its reply. `handle` replies to it. The typed
 * error of the handler arrives as the same class.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Event from "./event/Event.ts"
import * as EventType from "./event/EventType.ts"
import * as SchemaCodec from "./event/internal/schemaCodec.ts"
import type * as Reply from "./event/Reply.ts"
import * as EventBus from "./EventBus.ts"
import { type Answer, check, type RequestOptions } from "./request/Requester.ts"
import * as RequestError from "./request/RequestError.ts"
import type { DecodedDelivery } from "./subscribe/DecodedDelivery.ts"
import type { Handler } from "./subscribe/Handler.ts"
import { Pipeline } from "./subscribe/internal/Pipeline.ts"
import * as Settlement from "./subscribe/Settlement.ts"
import type { Subscription } from "./subscribe/Subscription.ts"

/**
 * Marks a request.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~effect-eventbus/Request" as const

/**
 * A schema for replies: it needs no services.
 *
 * @category models
 * @since 0.1.0
 */
export type ReplySchema = Schema.ConstraintCodec<unknown, unknown>

/**
 * The type of a request: an event type with the schemas of its reply.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request<
  out Name extends string,
  in out Payload extends EventType.PayloadSchema,
  in out Success extends ReplySchema,
  in out Error extends ReplySchema
> extends EventType.EventType<Name, Payload> {
  readonly [TypeId]: Replies<Success["Type"], Error["Type"]>
  readonly success: Success
  readonly error: Error
}

/**
 * Encodes and decodes the replies to a request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replies<in out A, in out E> {
  readonly succeed: (value: A) => Effect.Effect<Reply.Reply>
  readonly fail: (error: E) => Effect.Effect<Reply.Reply>
  readonly read: (answer: Answer) => Effect.Effect<A, E | RequestError.InvalidReply>
}

/**
 * Any request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any extends EventType.Any {
  readonly success: ReplySchema
  readonly error: ReplySchema
}

/**
 * Returns whether a value is a request.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRequest = (u: unknown): u is Any => Predicate.hasProperty(u, TypeId)

/** Encodes and decodes one half of the replies. */
const half = <S extends ReplySchema>(request: string, what: "success" | "error", schema: S) => {
  const codec = Schema.toCodecJson(schema)
  const encode = Schema.encodeUnknownResult(codec)
  const decode = Schema.decodeUnknownResult(codec)
  return {
    /** A value that its own schema refuses is a mistake in the handler, as a defect is. */
    encode: (value: S["Type"]): Effect.Effect<Schema.Json> => {
      const encoded = SchemaCodec.refusable(() => encode(value))
      if (Result.isSuccess(encoded)) return Effect.succeed(encoded.success)
      const where = SchemaCodec.describe(encoded.failure, what)
      return Effect.die(new Error(`The ${what} schema of the request "${request}" refuses ${where}`))
    },
    decode: (json: Schema.Json): Effect.Effect<S["Type"], RequestError.InvalidReply> => {
      const decoded = SchemaCodec.refusable(() => decode(json))
      if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
      const detail = `the ${what} schema of ${request} refuses ${SchemaCodec.describe(decoded.failure, what)}`
      return Effect.fail(new RequestError.InvalidReply({ detail }))
    }
  }
}

/**
 * Creates a request.
 *
 * **Details**
 *
 * A request is an event type, so subscriptions select it by `events`. Its name, payload,
 * version and steps are those of an event type. `success` is the schema of the value that
 * answers it, by default `Schema.Void`. `error` is the schema of the error that its
 * handler may fail with, by default `Schema.Never`. A union of errors is fine.
 *
 * Throws a `RangeError` for an invalid name, version or step, as `EventType.make` does.
 *
 * **Example** (Asking for a charge, and declining it)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect, Schema } from "effect"
 * import { EventBus, Request, Subscription } from "effect-eventbus"
 *
 * class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { code: Schema.String }) {}
 *
 * const Charge = Request.make("card.charge", {
 *   payload: Schema.Struct({ orderId: Schema.String, cents: Schema.Int }),
 *   success: Schema.Struct({ receipt: Schema.String }),
 *   error: CardDeclined
 * })
 *
 * const cards = Request.handle(Subscription.make("cards", { events: [Charge] }), Charge, ({ payload }) =>
 *   payload.cents > 100_000
 *     ? Effect.fail(new CardDeclined({ code: "limit" }))
 *     : Effect.succeed({ receipt: `r-${payload.orderId}` })
 * )
 *
 * const program = Effect.gen(function* () {
 *   const bus = yield* EventBus.EventBus
 *   yield* bus.subscribe(cards)
 *   const paid = yield* Request.call(Charge, { orderId: "o-1", cents: 1200 }, { timeout: "5 seconds" })
 *   assert.strictEqual(paid.receipt, "r-o-1")
 *   const error = yield* Effect.flip(Request.call(Charge, { orderId: "o-2", cents: 900_000 }, { timeout: "5 seconds" }))
 *   assert.ok(error instanceof CardDeclined)
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(EventBus.layerMemory)))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  const Name extends string,
  Payload extends EventType.PayloadSchema,
  Success extends ReplySchema = typeof Schema.Void,
  Error extends ReplySchema = typeof Schema.Never
>(
  name: Name,
  options: EventType.Options<Payload> & {
    readonly success?: Success | undefined
    readonly error?: Error | undefined
  }
): Request<Name, Payload, Success, Error> => {
  // Where no schema is given, the type parameter is that of the default.
  const success = (options.success ?? Schema.Void) as Success
  const error = (options.error ?? Schema.Never) as Error
  const successes = half(name, "success", success)
  const errors = half(name, "error", error)
  return {
    ...EventType.make(name, options),
    success,
    error,
    [TypeId]: {
      succeed: (value) => Effect.map(successes.encode(value), (value) => ({ _tag: "Success", value })),
      fail: (error) => Effect.map(errors.encode(error), (error) => ({ _tag: "Error", error })),
      read: (answer) =>
        answer._tag === "Success"
          ? successes.decode(answer.value)
          : Effect.flatMap(errors.decode(answer.error), Effect.fail)
    }
  }
}

/**
 * Creates a handler that replies to a request.
 *
 * **Details**
 *
 * The value that the effect succeeds with is the reply, and so is its typed error: neither
 * is a failure, so neither is retried or dead-lettered. The request is acknowledged when
 * the reply is stored in the queue of the requester. After a crash the request is handled
 * again, as any event is.
 *
 * A request carries its deadline. One that comes too late is discarded without being
 * handled, and its handler is interrupted when the time is over. The clocks of requester
 * and responder must agree, as those of servers do.
 *
 * A defect, and what later steps fail with, is answered by a `Handler.onFailure`, or by
 * `retryUpToMax`. When the policy retries no longer, or not in time, the requester gets a
 * `ResponderDied` at once.
 *
 * **Gotchas**
 *
 * Two subscriptions that handle one request both handle it, and the first reply wins.
 *
 * **Example** (Replying with a typed error)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Request, Subscription } from "effect-eventbus"
 *
 * class UnknownUser extends Schema.TaggedError<UnknownUser>()("UnknownUser", { id: Schema.String }) {}
 *
 * const GetUser = Request.make("user.get", {
 *   payload: Schema.Struct({ id: Schema.String }),
 *   success: Schema.Struct({ name: Schema.String }),
 *   error: UnknownUser
 * })
 *
 * const users = Request.handle(
 *   Subscription.make("users", { events: [GetUser], concurrency: 16 }),
 *   GetUser,
 *   ({ payload: { id } }) => (id === "1" ? Effect.succeed({ name: "Ada" }) : Effect.fail(new UnknownUser({ id })))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const handle = <
  Name extends string,
  Payload extends EventType.PayloadSchema,
  Success extends ReplySchema,
  Error extends ReplySchema,
  R = never
>(
  subscription: Subscription<Event.Event<Name, Payload["Type"]>>,
  request: Request<Name, Payload, Success, Error>,
  f: (
    event: Event.Event<Name, Payload["Type"]>,
    delivery: DecodedDelivery<Event.Event<Name, Payload["Type"]>>
  ) => Effect.Effect<Success["Type"], Error["Type"], R>
): Handler<Event.Event<Name, Payload["Type"]>, never, R> => {
  const { fail, succeed } = request[TypeId]
  return new Pipeline(subscription, [{ _tag: "Reply", request: request.name }], () =>
    Effect.succeed((delivery) =>
      Effect.suspend(() => f(delivery.event, delivery)).pipe(
        Effect.matchEffect({ onSuccess: succeed, onFailure: fail }),
        Effect.map(Settlement.reply)
      )
    )
  )
}

/**
 * Options of a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions extends RequestOptions, Omit<Event.Options, "ttlSeconds"> {}

/**
 * Publishes a request, and returns the value that answers it.
 *
 * **Details**
 *
 * It fails with the typed error of the handler, or with a `RequestError`: at once when no
 * queue is bound for the request (`NoResponder`), and with `NoReply` when the timeout is
 * over. The timeout starts with the call, so it holds without a broker, too.
 *
 * All replies of a bus come to one queue, which outlives a lost connection by a minute. A
 * reply that comes too late is dropped and counted. When the call is interrupted, the
 * request is forgotten. It may still be handled.
 *
 * Throws a `RangeError` for a timeout that is not from 1 to 2³¹ − 1 milliseconds.
 *
 * **Example** (Calling with a timeout, and a default where there is no answer)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { EventBus, Request } from "effect-eventbus"
 *
 * const Rate = Request.make("rate.get", { payload: Schema.Struct({ from: Schema.String }), success: Schema.Finite })
 *
 * const rate = Request.call(Rate, { from: "EUR" }, { timeout: "2 seconds" }).pipe(
 *   Effect.catchTag("RequestError", (error) => Effect.as(Effect.logWarning(error.message), 1))
 * )
 *
 * await Effect.runPromise(Effect.provide(rate, EventBus.layerMemory))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const call = <
  Name extends string,
  Payload extends EventType.PayloadSchema,
  Success extends ReplySchema,
  Error extends ReplySchema
>(
  request: Request<Name, Payload, Success, Error>,
  payload: Payload["Type"],
  options: CallOptions
): Effect.Effect<Success["Type"], Error["Type"] | RequestError.RequestError, EventBus.EventBus> => {
  const { around, persistent, routingKey, timeout, ...eventOptions } = options
  check(options)
  return Effect.gen(function* () {
    const bus = yield* EventBus.EventBus
    const event = yield* request.event(payload, eventOptions)
    const { eventId, eventType } = event
    const answer = yield* bus.request(event, { around, persistent, routingKey, timeout })
    return yield* Effect.mapError(request[TypeId].read(answer), (error) =>
      error instanceof RequestError.InvalidReply
        ? new RequestError.RequestError({ eventId, eventType, reason: error })
        : error
    )
  })
}
