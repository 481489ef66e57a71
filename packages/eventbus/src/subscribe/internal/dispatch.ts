/**
 * Handles the deliveries of a subscription as they arrive, with bounded concurrency.
 *
 * Each delivery has a fiber of its own, which starts at once. A handler that does not
 * wait is done before `deliver` returns. Deliveries beyond the concurrency wait in order,
 * and so do all others when handlers have kept the event loop busy for too long, and while
 * the gate is closed.
 *
 * @internal
 */

import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Delivery } from "../../broker/Delivery.ts"
import * as EventLoop from "./eventLoop.ts"

export class Dispatch {
  private readonly most: number
  private readonly prefetch: number
  private isClosed = false
  private readonly waiting: Array<Delivery> = []
  /** The fibers of the deliveries that are being handled. */
  private readonly fibers = new Set<Fiber.Fiber<void>>()
  /** The number of deliveries whose handlers begin right now, further down the stack. They have no fibers yet. */
  private beginning = 0
  /** Whether the deliveries that wait are started in the next turn of the event loop. */
  private isPaused = false
  private handle: ((delivery: Delivery) => Fiber.Fiber<void>) | undefined

  /** Handles up to `most` deliveries at once, of `prefetch` that may be here. */
  constructor(most: number, prefetch: number) {
    this.most = most
    this.prefetch = prefetch
  }

  readonly deliver = (delivery: Delivery): void => {
    this.waiting.push(delivery)
    this.proceed()
    if (this.waiting.length <= this.prefetch) return
    // No channel delivers so many. Some belong to a lost channel, and the broker delivers them again. Or they belong to a
    // consumer that was closed by a pause and is still being emptied.
    const lost = this.waiting.findIndex((delivery) => !delivery.isLive())
    if (lost >= 0) this.waiting.splice(lost, 1)
  }

  /** Starts to handle deliveries, including those that already wait. */
  start(handle: (delivery: Delivery) => Fiber.Fiber<void>): void {
    this.handle = handle
    this.proceed()
  }

  /** Starts no more deliveries. */
  close(): void {
    this.isClosed = true
  }

  /** Starts deliveries again. */
  open(): void {
    this.isClosed = false
    this.proceed()
  }

  /** Removes the deliveries that wait, and returns them. */
  takeWaiting(): ReadonlyArray<Delivery> {
    return this.waiting.splice(0)
  }

  /** Succeeds when the deliveries are done that are being handled now. */
  get done(): Effect.Effect<void> {
    return Effect.andThen(
      this.begun,
      Effect.suspend(() => Effect.asVoid(Fiber.awaitAll([...this.fibers])))
    )
  }

  /** Succeeds when the deliveries are done that are here now, whatever comes meanwhile. */
  get drained(): Effect.Effect<void> {
    const last = this.waiting.at(-1)
    const begun: Effect.Effect<void> = Effect.suspend(() => {
      if (last === undefined || !this.waiting.includes(last)) return this.done
      const next = Array.from(this.fibers, (fiber) => Fiber.await(fiber))
      return Effect.andThen(next.length > 0 ? Effect.raceAllFirst(next) : Effect.yieldNow, begun)
    })
    return begun
  }

  /** Succeeds when no delivery is being handled and none waits. */
  readonly idle: Effect.Effect<void> = Effect.suspend(() => {
    if (this.fibers.size > 0) return Effect.andThen(Fiber.awaitAll([...this.fibers]), this.idle)
    return this.isPaused || this.beginning > 0 ? Effect.andThen(Effect.yieldNow, this.idle) : Effect.void
  })

  /** Interrupts the running handlers, and drops the deliveries that wait. */
  readonly interrupt: Effect.Effect<void> = Effect.suspend(() => {
    this.waiting.length = 0
    return Effect.andThen(
      this.begun,
      Effect.suspend(() => Fiber.interruptAll([...this.fibers]))
    )
  })

  /** Succeeds when every handler has its fiber. One that stops its subscription at once has none yet. */
  private readonly begun: Effect.Effect<void> = Effect.suspend(() =>
    this.beginning > 0 ? Effect.andThen(Effect.yieldNow, this.begun) : Effect.void
  )

  private proceed(): void {
    while (!this.isClosed && this.handle !== undefined && this.fibers.size < this.most && !this.isPaused) {
      if (this.waiting.length > 0 && EventLoop.isLate()) return this.pause()
      const next = this.waiting.shift()
      if (next === undefined) return
      this.run(next, this.handle)
    }
  }

  private pause(): void {
    this.isPaused = true
    EventLoop.inNextTurn(() => {
      this.isPaused = false
      // At least one, however long the handlers of other subscriptions have taken in this turn.
      const next = !this.isClosed && this.fibers.size < this.most ? this.waiting.shift() : undefined
      if (next !== undefined && this.handle !== undefined) this.run(next, this.handle)
      this.proceed()
    })
  }

  private run(delivery: Delivery, handle: (delivery: Delivery) => Fiber.Fiber<void>): void {
    this.beginning += 1
    const fiber = handle(delivery)
    this.beginning -= 1
    if (fiber.pollUnsafe() !== undefined) return
    this.fibers.add(fiber)
    fiber.addObserver(() => {
      this.fibers.delete(fiber)
      this.proceed()
    })
  }
}
