/**
 * Handles the deliveries of a subscription as they arrive, with bounded concurrency.
 *
 * Each delivery has a fiber of its own, which starts at once. A handler that does not
 * wait is done before `deliver` returns. Deliveries beyond the concurrency wait in order.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Delivery } from "../../broker/Delivery.ts"

export class Dispatch {
  private readonly most: number
  private readonly waiting: Array<Delivery> = []
  /** The fibers of the deliveries that are being handled. */
  private readonly fibers = new Set<Fiber.Fiber<void>>()
  private handle: ((delivery: Delivery) => Fiber.Fiber<void>) | undefined

  constructor(most: number) {
    this.most = most
  }

  readonly deliver = (delivery: Delivery): void => {
    this.waiting.push(delivery)
    this.proceed()
    // No channel delivers so many. The first belong to a lost channel, and the broker delivers them again.
    if (this.waiting.length > this.most) this.waiting.shift()
  }

  /** Starts to handle deliveries, including those that already wait. */
  start(handle: (delivery: Delivery) => Fiber.Fiber<void>): void {
    this.handle = handle
    this.proceed()
  }

  /** Succeeds when no delivery is being handled and none waits. */
  readonly idle: Effect.Effect<void> = Effect.suspend(() =>
    this.fibers.size === 0 ? Effect.void : Effect.andThen(Fiber.awaitAll([...this.fibers]), this.idle)
  )

  /** Interrupts the running handlers, and drops the deliveries that wait. */
  readonly interrupt: Effect.Effect<void> = Effect.suspend(() => {
    this.waiting.length = 0
    return Fiber.interruptAll([...this.fibers])
  })

  private proceed(): void {
    while (this.handle !== undefined && this.fibers.size < this.most) {
      const next = this.waiting.shift()
      if (next === undefined) return
      this.run(next, this.handle)
    }
  }

  private run(delivery: Delivery, handle: (delivery: Delivery) => Fiber.Fiber<void>): void {
    const fiber = handle(delivery)
    if (fiber.pollUnsafe() !== undefined) return
    this.fibers.add(fiber)
    fiber.addObserver(() => {
      this.fibers.delete(fiber)
      this.proceed()
    })
  }
}
