/**
 * Handles the deliveries of a subscription as they come, at most so many at once.
 *
 * Each has a fiber of its own, which runs at once, as far as it goes: what need not
 * wait for anything is handled before `deliver` returns. Those for which there is no
 * room yet wait in their order.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Delivery } from "../../broker/Delivery.ts"

export class Dispatch {
  private readonly most: number
  private readonly waiting: Array<Delivery> = []
  /** Those under way. */
  private readonly fibers = new Set<Fiber.Fiber<void>>()
  private handle: ((delivery: Delivery) => Fiber.Fiber<void>) | undefined

  constructor(most: number) {
    this.most = most
  }

  readonly deliver = (delivery: Delivery): void => {
    this.waiting.push(delivery)
    this.proceed()
    // No channel brings so many: the first ones are of a channel that is lost, and come anew.
    if (this.waiting.length > this.most) this.waiting.shift()
  }

  /** From now on, and with what waits. */
  start(handle: (delivery: Delivery) => Fiber.Fiber<void>): void {
    this.handle = handle
    this.proceed()
  }

  /** Succeeds when nothing is under way and nothing waits. */
  readonly idle: Effect.Effect<void> = Effect.suspend(() =>
    this.fibers.size === 0 ? Effect.void : Effect.andThen(Fiber.awaitAll([...this.fibers]), this.idle)
  )

  /** Interrupts what is under way; what waits is not begun. */
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
