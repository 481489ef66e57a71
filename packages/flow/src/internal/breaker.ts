/**
 * The circuit breaker of a handler.
 *
 * @internal
 */

import type { DecodedDelivery } from "effect-eventbus/DecodedDelivery"
import type { Event } from "effect-eventbus/Event"
import * as Fault from "effect-eventbus/Fault"
import * as Handler from "effect-eventbus/Handler"
import * as Settlement from "effect-eventbus/Settlement"
import type { Settlement as AnySettlement } from "effect-eventbus/Settlement"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Schedule from "effect/Schedule"
import * as Circuit from "./circuit.ts"
import { checkCanGiveBack, positive } from "./held.ts"

/** The pause while another instance probes. */
const otherProbes = "1 second"

/**
 * Options of `breaker`.
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerOptions {
  /** The failures that open the circuit, such as `CircuitBreaker.consecutive(5)`. */
  readonly trip: CircuitBreaker.TripPolicy
  /** The time that it stays open. A schedule gives a time for each opening in a row. */
  readonly open: Duration.Input | Schedule.Schedule<unknown, number>
  /** The name of the dependency, which handlers may share. Default: the name of the queue. */
  readonly key?: string | undefined
  /** Whether an error is one of the dependency. Default: all errors are, and defects are not. */
  readonly counts?: ((error: unknown) => boolean) | undefined
}

/**
 * Stops a subscription while what its handler depends on fails.
 *
 * **Details**
 *
 * When the failures trip it, the circuit opens: the subscription pauses, and gives back
 * what it holds unchanged. After the time `open`, it takes one event. When that succeeds,
 * the circuit closes, and the subscription goes on. When it fails, the circuit opens again.
 *
 * The failures before the circuit opens are answered by the policy of the handler. The one
 * that opens it, and those of the events that it takes while it is half open, use up no
 * attempt.
 *
 * Instances share the circuit where they share the store: see Effect's `CircuitBreaker`.
 * One of them probes at a time. While the store does not answer, the circuit is closed.
 *
 * Throws a `RangeError` for an `open` that is not above 0, for an at-most-once
 * subscription, and after `Handler.onFailure`, which leaves no failures to count.
 *
 * **Example** (Half of the last fifty calls)
 *
 * ```ts
 * import { Flow } from "@effect-eventbus/flow"
 * import { Effect, Layer, Schema } from "effect"
 * import { EventBus, FailurePolicy, Handler, Subscription } from "effect-eventbus"
 * import { CircuitBreaker } from "effect/persistence"
 *
 * class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {}) {}
 *
 * const call: Effect.Effect<void, Unavailable> = Effect.void
 *
 * const handler = Handler.make(Subscription.make("charges", { patterns: ["charge.#"] }), () => call).pipe(
 *   Flow.breaker({
 *     trip: CircuitBreaker.rate({ threshold: 0.5, size: 50, minimumCalls: 20 }),
 *     open: "30 seconds"
 *   }),
 *   Handler.onFailure(FailurePolicy.tags({ Unavailable: FailurePolicy.retryUpToMax }))
 * )
 *
 * const App = EventBus.subscriber(handler).pipe(
 *   Layer.provide(EventBus.layerMemory),
 *   Layer.provide(CircuitBreaker.layerStoreMemory())
 * )
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const breaker = (options: BreakerOptions) => {
  if (!Schedule.isSchedule(options.open)) positive("The time that a circuit stays open", options.open)
  const counts = options.counts ?? (() => true)
  const openFor = Circuit.openFor(options.open)

  return <Ev extends Event, E, R>(
    self: Handler.Handler<Ev, E, R>
  ): Handler.Handler<Ev, E, R | CircuitBreaker.CircuitBreakerStore> => {
    const { name } = self.subscription
    checkCanGiveBack(self, "a breaker")
    if (self.steps.some(({ _tag }) => _tag === "OnFailure")) {
      throw new RangeError(`Put the breaker of "${name}" before Handler.onFailure, which leaves no failures to count`)
    }
    const key = options.key ?? name
    const by = `the breaker "${key}"`

    const circuit: Circuit.Circuit<AnySettlement> = {
      key,
      trip: options.trip,
      openFor,
      isSuccess: ({ _tag }) => _tag === "Ack",
      isFailure: (cause) => Option.exists(Cause.findErrorOption(cause), counts),
      onRejected: ({ reason }) =>
        Settlement.pause(reason._tag === "CircuitOpen" ? reason.retryAfter : otherProbes, { by })
    }

    /** Gives an event back whose failure opened the circuit. */
    const answer = Effect.fnUntraced(function* (
      store: CircuitBreaker.CircuitBreakerStore["Service"],
      cause: Cause.Cause<E>,
      { attempt, envelope, event }: DecodedDelivery<Ev>
    ) {
      const state = yield* Effect.option(store.state(key))
      if (Option.isNone(state) || state.value._tag !== "Open") return yield* Effect.failCause(cause)
      const now = yield* Clock.currentTimeMillis
      const fault = Fault.fromCause(cause, {
        attempts: attempt,
        now,
        type: event.eventType,
        previous: envelope.fault
      })
      return Settlement.pause(state.value.retryAfter, { by, fault })
    })

    return Handler.around<Ev, E, R, E, R | CircuitBreaker.CircuitBreakerStore>(
      self,
      (handle) => (delivery) =>
        CircuitBreaker.CircuitBreakerStore.use((store) =>
          Circuit.execute(circuit, store, handle(delivery), (cause) => answer(store, cause, delivery))
        ),
      { name: by }
    )
  }
}
