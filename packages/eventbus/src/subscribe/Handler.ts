/**
 * Handlers for the events of a subscription.
 *
 * A handler is a pipeline: a function from an event to an effect, and the steps that
 * wrap it. Each step sees the errors that the steps before it left unanswered. Events
 * are delivered at least once, so a handler may receive an event twice, with the same
 * `eventId`.
 *
 * @since 0.1.0
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Pipeable from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Fault from "../broker/Fault.ts"
import * as QueueSpec from "../broker/QueueSpec.ts"
import type { Event } from "../event/Event.ts"
import type { DecodedDelivery } from "./DecodedDelivery.ts"
import type { Failure, FailurePolicy } from "./FailurePolicy.ts"
import { Pipeline } from "./internal/Pipeline.ts"
import * as ProvideServices from "./internal/provideServices.ts"
import * as Settlement from "./Settlement.ts"
import type { Subscription } from "./Subscription.ts"

/**
 * Marks a handler.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~effect-eventbus/Handler" as const

/**
 * A step of a handler, as data: a timeout, an answer to failures, a named wrapper, the
 * replies to a request, or the handling of many events at once.
 *
 * @category models
 * @since 0.1.0
 */
export type Step =
  | { readonly _tag: "Timeout"; readonly duration: Duration.Duration }
  | { readonly _tag: "OnFailure"; readonly policy: FailurePolicy<never> }
  | { readonly _tag: "Around"; readonly name: string }
  | { readonly _tag: "Reply"; readonly request: string }
  | { readonly _tag: "Batch"; readonly size: number; readonly within: Duration.Duration }

/**
 * Any handler.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any extends Pipeable.Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly subscription: Subscription<Event>
  /** The steps from the inside out, which let tools explain a handler before anything fails. */
  readonly steps: ReadonlyArray<Step>
}

/**
 * A handler for the events `Ev`, which may fail with `E` and requires `R`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handler<in out Ev extends Event, out E, out R> extends Any {
  readonly subscription: Subscription<Ev>
  /** Prepares the function that handles deliveries, once for each start of the subscription. */
  readonly prepare: (scope: Scope.Scope) => Effect.Effect<Handle<Ev, E, R>, never, R>
}

/**
 * A function that handles one delivery and decides its settlement.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle<in Ev extends Event, out E, out R> {
  (delivery: DecodedDelivery<Ev>): Effect.Effect<Settlement.Settlement, E, R>
}

/**
 * Returns whether a value is a handler.
 *
 * @category guards
 * @since 0.1.0
 */
export const isHandler = (u: unknown): u is Any => Predicate.hasProperty(u, TypeId)

/** Wraps the preparation of a handler, which runs once for each start of its subscription. */
const aroundPrepare = <Ev extends Event, E, R, E2, R2>(
  self: Handler<Ev, E, R>,
  f: (
    prepare: Effect.Effect<Handle<Ev, E, R>, never, R>,
    scope: Scope.Scope
  ) => Effect.Effect<Handle<Ev, E2, R2>, never, R2>,
  ...steps: ReadonlyArray<Step>
): Handler<Ev, E2, R2> =>
  new Pipeline(self.subscription, [...self.steps, ...steps], (scope) => f(self.prepare(scope), scope))

const aroundStep = <Ev extends Event, E, R, E2, R2>(
  self: Handler<Ev, E, R>,
  f: (handle: Handle<Ev, E, R>) => Handle<Ev, E2, R2>,
  ...steps: ReadonlyArray<Step>
): Handler<Ev, E2, R | R2> => aroundPrepare<Ev, E, R, E2, R | R2>(self, Effect.map(f), ...steps)

/**
 * Wraps the function that handles each delivery.
 *
 * **When to use**
 *
 * Use it to extend handlers with features of your own, such as a lock, a tenant, an
 * inbox or an audit line. `timeout`, `tap`, `provide` and `onFailure` are built on it.
 *
 * **Details**
 *
 * `f` receives the function that handles a delivery so far, and returns its replacement.
 * `f` runs once for each start of the subscription, so its state is shared by all
 * deliveries. Later steps wrap earlier ones: an `onFailure` after this step also answers
 * its failures. `eventbus explain` shows the `name`.
 *
 * **Gotchas**
 *
 * To skip an event, return `Settlement.ack` without calling the inner function. A
 * delivery is settled when the outermost effect succeeds, so do not fork.
 *
 * **Example** (Handling each event once, with an inbox)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Deferred, Effect } from "effect"
 * import { EventBus, EventType, Handler, Settlement, Subscription } from "effect-eventbus"
 * import type { Event } from "effect-eventbus"
 *
 * const once = <Ev extends Event.Event, E, R>(handle: Handler.Handle<Ev, E, R>): Handler.Handle<Ev, E, R> => {
 *   const seen = new Set<string>()
 *   return (delivery) =>
 *     seen.has(delivery.event.eventId)
 *       ? Effect.succeed(Settlement.ack)
 *       : Effect.tap(handle(delivery), () => Effect.sync(() => seen.add(delivery.event.eventId)))
 * }
 *
 * const Paid = EventType.untyped("paid")
 * const Closed = EventType.untyped("closed")
 *
 * const program = Effect.gen(function* () {
 *   const bus = yield* EventBus.EventBus
 *   const done = yield* Deferred.make<void>()
 *   let booked = 0
 *   const books = Handler.make(Subscription.make("books", { events: [Paid, Closed] }), ({ eventType }) =>
 *     eventType === "paid" ? Effect.sync(() => booked++) : Deferred.succeed(done, undefined)
 *   )
 *   yield* bus.subscribe(books.pipe(Handler.around(once, { name: "once" })))
 *   const paid = yield* Paid.event({})
 *   yield* bus.publish(paid)
 *   yield* bus.publish(paid)
 *   yield* bus.publish(yield* Closed.event({}))
 *   yield* Deferred.await(done)
 *   assert.strictEqual(booked, 1)
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(EventBus.layerMemory)))
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const around: {
  /**
   * Wraps the function that handles each delivery.
   *
   * `f` receives the function that handles a delivery so far, and returns its
   * replacement. `f` runs once for each start of the subscription. `eventbus explain`
   * shows the `name`.
   */
  <Ev extends Event, E, R, E2, R2>(
    f: (handle: Handle<Ev, E, R>) => Handle<Ev, E2, R2>,
    options?: { readonly name?: string | undefined }
  ): (self: Handler<Ev, E, R>) => Handler<Ev, E2, R | R2>
  /**
   * Wraps the function that handles each delivery.
   *
   * `f` receives the function that handles a delivery so far, and returns its
   * replacement. `f` runs once for each start of the subscription. `eventbus explain`
   * shows the `name`.
   */
  <Ev extends Event, E, R, E2, R2>(
    self: Handler<Ev, E, R>,
    f: (handle: Handle<Ev, E, R>) => Handle<Ev, E2, R2>,
    options?: { readonly name?: string | undefined }
  ): Handler<Ev, E2, R | R2>
} = dual(
  (args) => isHandler(args[0]),
  <Ev extends Event, E, R, E2, R2>(
    self: Handler<Ev, E, R>,
    f: (handle: Handle<Ev, E, R>) => Handle<Ev, E2, R2>,
    options?: { readonly name?: string | undefined }
  ): Handler<Ev, E2, R | R2> =>
    aroundStep(self, f, ...(options?.name === undefined ? [] : [{ _tag: "Around", name: options.name } as const]))
)

/**
 * Creates a handler from a function.
 *
 * **Details**
 *
 * The event is acknowledged when the effect succeeds, whatever its value. Events that
 * the effect creates or publishes belong to the trace of the handled event. The second
 * argument has the number of the attempt and, for a dead letter, its fault.
 *
 * **Example** (Handling an event)
 *
 * ```ts
 * import { Console, Deferred, Effect, Schema } from "effect"
 * import { EventBus, EventType, Handler, Subscription } from "effect-eventbus"
 *
 * const UserCreated = EventType.make("user.created", { payload: Schema.Struct({ name: Schema.String }) })
 * const users = Subscription.make("welcome", { events: [UserCreated] })
 *
 * const program = Effect.gen(function* () {
 *   const bus = yield* EventBus.EventBus
 *   const welcomed = yield* Deferred.make<void>()
 *   yield* bus.subscribe(
 *     Handler.make(users, ({ payload }) =>
 *       Effect.andThen(Console.log(`Welcome, ${payload.name}`), Deferred.succeed(welcomed, undefined))
 *     )
 *   )
 *   yield* bus.publish(yield* UserCreated.event({ name: "Ada" }))
 *   yield* Deferred.await(welcomed)
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(EventBus.layerMemory)))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Ev extends Event, Eff extends Effect.Effect<unknown, unknown, unknown>>(
  subscription: Subscription<Ev>,
  f: (event: Ev, delivery: DecodedDelivery<Ev>) => Eff
): Handler<Ev, Effect.Error<Eff>, Effect.Services<Eff>> => {
  // The effect is inferred as a whole, because `a ? Effect.fail(x) : Effect.fail(y)` is a union of effects. The
  // compiler cannot see through a type parameter that an effect has its own error and services.
  const handle = (event: Ev, delivery: DecodedDelivery<Ev>) =>
    Effect.suspend(() => f(event, delivery)) as Effect.Effect<unknown, Effect.Error<Eff>, Effect.Services<Eff>>
  return new Pipeline<Ev, Effect.Error<Eff>, Effect.Services<Eff>>(subscription, [], () =>
    Effect.succeed((delivery) => Effect.as(handle(delivery.event, delivery), Settlement.ack))
  )
}

/**
 * Fails an attempt with a `TimeoutError` when it takes longer than the duration.
 *
 * **Gotchas**
 *
 * A policy answers the steps before it. So give the timeout before `onFailure`: after it,
 * `FailurePolicy.retryUpToMax` answers the `TimeoutError`, unless another policy follows.
 *
 * @category combinators
 * @since 0.1.0
 */
export const timeout: {
  /**
   * Fails an attempt with a `TimeoutError` when it takes longer than the duration.
   */
  (
    duration: Duration.Input
  ): <Ev extends Event, E, R>(self: Handler<Ev, E, R>) => Handler<Ev, E | Cause.TimeoutError, R>
  /**
   * Fails an attempt with a `TimeoutError` when it takes longer than the duration.
   */
  <Ev extends Event, E, R>(self: Handler<Ev, E, R>, duration: Duration.Input): Handler<Ev, E | Cause.TimeoutError, R>
} = dual(2, <Ev extends Event, E, R>(self: Handler<Ev, E, R>, duration: Duration.Input) =>
  aroundStep(self, (handle) => (delivery) => Effect.timeout(handle(delivery), duration), {
    _tag: "Timeout",
    duration: Duration.fromInputUnsafe(duration)
  })
)

/**
 * Runs an effect after each handled event, before it is acknowledged. When the effect
 * fails, the attempt fails.
 *
 * @category combinators
 * @since 0.1.0
 */
export const tap: {
  /**
   * Runs an effect after each handled event, before it is acknowledged. When the effect
   * fails, the attempt fails.
   */
  <Ev extends Event, X, E2, R2>(
    f: (event: Ev, delivery: DecodedDelivery<Ev>) => Effect.Effect<X, E2, R2>
  ): <E, R>(self: Handler<Ev, E, R>) => Handler<Ev, E | E2, R | R2>
  /**
   * Runs an effect after each handled event, before it is acknowledged. When the effect
   * fails, the attempt fails.
   */
  <Ev extends Event, E, R, X, E2, R2>(
    self: Handler<Ev, E, R>,
    f: (event: Ev, delivery: DecodedDelivery<Ev>) => Effect.Effect<X, E2, R2>
  ): Handler<Ev, E | E2, R | R2>
} = dual(
  2,
  <Ev extends Event, E, R, X, E2, R2>(
    self: Handler<Ev, E, R>,
    f: (event: Ev, delivery: DecodedDelivery<Ev>) => Effect.Effect<X, E2, R2>
  ) =>
    aroundStep(
      self,
      (handle) => (delivery) =>
        Effect.tap(handle(delivery), (settlement) =>
          settlement._tag === "Ack" ? f(delivery.event, delivery) : Effect.void
        )
    )
)

/**
 * A requirement that no handler meets, by which a handler does not compile when its
 * policy leaves errors unanswered. The compiler's message shows those errors.
 *
 * @category models
 * @since 0.1.0
 */
export type Unanswered<E> = [E] extends [never] ? unknown : { readonly "no policy answers": E }

type TagOf<E> = E extends { readonly _tag: infer Tag } ? Tag : never

/**
 * A requirement that no handler meets, by which a handler does not compile when its
 * policy has cases for tags that none of its errors has. The compiler's message shows
 * those tags. A policy of the type `FailurePolicy<E>` is not checked, because its tags
 * are not part of its type.
 *
 * @category models
 * @since 0.1.0
 */
export type Superfluous<Tag extends string, E> = string extends Tag
  ? unknown
  : [Exclude<Tag, TagOf<E>>] extends [never]
    ? unknown
    : { readonly "no error has the tag": Exclude<Tag, TagOf<E>> }

/**
 * Answers the failures of the steps before it. When the policy abstains, the event
 * becomes a dead letter.
 *
 * **Details**
 *
 * The policy must answer every error of the handler, or the code does not compile. Nor
 * does it compile when the policy has a case for an error that the handler does not have.
 * To share a policy between handlers with different errors, give it the type
 * `FailurePolicy<E>`, where `E` is the union of all errors. An interruption is not a
 * failure, and is not answered.
 *
 * Throws a `RangeError` when the policy retries or dead-letters, but the subscription
 * has no retries or no dead letters, and when it retries for longer than an ordered
 * subscription holds an event.
 *
 * **Example** (Answering each error)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { FailurePolicy, Handler, Subscription } from "effect-eventbus"
 *
 * class NotReady extends Schema.TaggedError<NotReady>()("NotReady", {}) {}
 *
 * const handler = Handler.make(Subscription.make("tasks", { patterns: ["task.#"] }), () => Effect.fail(new NotReady())).pipe(
 *   Handler.timeout("30 seconds"),
 *   Handler.onFailure(FailurePolicy.tags({
 *     NotReady: FailurePolicy.retryUpToMax,
 *     TimeoutError: FailurePolicy.deadLetter
 *   }))
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const onFailure: {
  /**
   * Answers the failures of the steps before it. When the policy abstains, the event
   * becomes a dead letter.
   *
   * The policy must answer every error of the handler, and have no case for other errors,
   * or the code does not compile.
   */
  <E, Tag extends string>(
    policy: FailurePolicy<E, Tag>
  ): <Ev extends Event, E2, R>(
    self: Handler<Ev, E2, R> & Unanswered<Exclude<E2, E>> & Superfluous<Tag, E2>
  ) => Handler<Ev, never, R>
  /**
   * Answers the failures of the steps before it. When the policy abstains, the event
   * becomes a dead letter.
   *
   * The policy must answer every error of the handler, and have no case for other errors,
   * or the code does not compile.
   */
  <Ev extends Event, E, R, Tag extends string>(
    self: Handler<Ev, E, R> & Superfluous<Tag, E>,
    policy: FailurePolicy<E, Tag>
  ): Handler<Ev, never, R>
} = dual(2, <Ev extends Event, E, R>(self: Handler<Ev, E, R>, policy: FailurePolicy<E>): Handler<Ev, never, R> => {
  const { atMostOnce, deadLetterQueue, name: queue, ordering } = self.subscription
  if (atMostOnce && policy.retries) {
    throw new RangeError(
      `"${queue}" is at-most-once, so its handler can neither retry nor pause: use a policy that discards`
    )
  }
  if (deadLetterQueue === undefined && policy.deadLetters) {
    throw new RangeError(`"${queue}" has no dead letters, so its handler cannot use them: use a policy that discards`)
  }
  if (ordering !== undefined && policy.outlasts?.(Duration.toMillis(ordering.holdFor)) === true) {
    const hold = Duration.format(ordering.holdFor)
    throw new RangeError(
      `"${queue}" is ordered and holds an event for ${hold}, so its handler cannot retry for longer: use fewer or shorter delays, or raise holdFor`
    )
  }
  return aroundStep(
    self,
    (handle) => (delivery) =>
      Effect.catchCause(handle(delivery), (cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.failCause(Cause.interrupt()) : answer(policy, cause, delivery)
      ),
    { _tag: "OnFailure", policy }
  )
})

/** Returns the failure for a policy. A handler of dead letters does not care when they failed first elsewhere. */
const failureOf = <E>(
  cause: Cause.Cause<E>,
  { attempt, envelope, event, probe, queue }: DecodedDelivery
): Failure<E> => ({
  cause,
  event,
  attempt,
  firstFailedAt: QueueSpec.isDeadLetterQueue(queue) ? undefined : envelope.fault?.firstFailedAt,
  probe
})

/**
 * Asks a policy for the settlement of a failed delivery.
 *
 * @category combinators
 * @since 0.1.0
 */
export const answer = <E>(
  policy: FailurePolicy<E>,
  cause: Cause.Cause<E>,
  delivery: DecodedDelivery
): Effect.Effect<Settlement.Settlement> =>
  Effect.flatMap(policy.decide(failureOf(cause, delivery)), (settlement) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      Settlement.because(
        settlement ?? Settlement.deadLetter(),
        Fault.fromCause(cause, {
          attempts: delivery.attempt,
          now,
          type: delivery.event.eventType,
          previous: delivery.envelope.fault
        })
      )
    )
  )

/**
 * Provides a handler with the services of a layer, which is built once for each start
 * of the subscription.
 *
 * @category combinators
 * @since 0.1.0
 */
export const provide: {
  /**
   * Provides a handler with the services of a layer, which is built once for each start
   * of the subscription.
   */
  <ROut, RIn>(
    layer: Layer.Layer<ROut, never, RIn>
  ): <Ev extends Event, E, R>(self: Handler<Ev, E, R>) => Handler<Ev, E, RIn | Exclude<R, ROut>>
  /**
   * Provides a handler with the services of a layer, which is built once for each start
   * of the subscription.
   */
  <Ev extends Event, E, R, ROut, RIn>(
    self: Handler<Ev, E, R>,
    layer: Layer.Layer<ROut, never, RIn>
  ): Handler<Ev, E, RIn | Exclude<R, ROut>>
} = dual(
  2,
  <Ev extends Event, E, R, ROut, RIn>(
    self: Handler<Ev, E, R>,
    layer: Layer.Layer<ROut, never, RIn>
  ): Handler<Ev, E, RIn | Exclude<R, ROut>> =>
    aroundPrepare<Ev, E, R, E, RIn | Exclude<R, ROut>>(self, (prepare, scope) =>
      Effect.flatMap(Layer.buildWithScope(layer, scope), (context) =>
        Effect.map(Effect.provideContext(prepare, context), (handle) => {
          const provideServices = ProvideServices.make(context)
          return (delivery) => provideServices(handle(delivery))
        })
      )
    )
)
