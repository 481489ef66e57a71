/**
 * An observer of deliveries, which sees how each of them ends and changes nothing.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import type { Delivery } from "../broker/Delivery.ts"
import type { DecodedDelivery } from "./DecodedDelivery.ts"
import type { Settlement } from "./Settlement.ts"

/**
 * An observer of the deliveries of a bus. The bus calls it while it handles events, so
 * it must return at once and never throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeliveryObserver {
  /** Called when a subscription receives a delivery, before the delivery is decoded. */
  readonly received: (delivery: Delivery) => void
  /**
   * Called when a delivery has been settled, or no longer could be. The decoded delivery
   * is `undefined` for an event that never reached a handler.
   */
  readonly settled: (delivery: Delivery, settlement: Settlement, decoded: DecodedDelivery | undefined) => void
}

/**
 * The observer of the buses that are made with it. Default: none, which costs nothing.
 *
 * **Example** (Counting dead letters)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect, Layer } from "effect"
 * import { DeliveryObserver, EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
 *
 * const settled: Array<string> = []
 * const Observer = Layer.succeed(DeliveryObserver.Current, {
 *   received: () => {},
 *   settled: (_, settlement) => settled.push(settlement._tag)
 * })
 *
 * const Ping = EventType.untyped("ping")
 * const broken = Handler.make(Subscription.make("pings", { events: [Ping] }), () => Effect.fail("no")).pipe(
 *   Handler.onFailure(FailurePolicy.deadLetter)
 * )
 *
 * const program = Effect.gen(function*() {
 *   const bus = yield* EventBus.EventBus
 *   const memory = yield* MemoryBroker.MemoryBroker
 *   yield* Effect.scoped(Effect.gen(function*() {
 *     yield* bus.subscribe(broken)
 *     yield* bus.publish(yield* Ping.event({}))
 *     yield* memory.expect("dlq.pings", 1)
 *   }))
 *   assert.deepStrictEqual(settled, ["DeadLetter"])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, EventBus.layerMemory.pipe(Layer.provide(Observer))))
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Current: Context.Reference<DeliveryObserver | undefined> = Context.Reference<DeliveryObserver | undefined>(
  "effect-eventbus/DeliveryObserver",
  { defaultValue: () => undefined }
)
