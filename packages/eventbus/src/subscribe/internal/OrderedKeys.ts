/**
 * Keeps the events of each key in their order.
 *
 * The queue of the subscription has one active consumer, so its order arrives here. Events
 * of one key are handled one after another, retries included. When one of them cannot be
 * handled, its key is parked: the event and all later ones of the key go to the dead
 * letters, in their order. What is parked is known from the dead letters alone.
 *
 * A replay leaves the dead letters where they are, and sends a copy of the first one. It
 * tells the consumer to handle the dead letters of its key, each in its place, until one
 * fails again or none is left. Live events of the key wait for that.
 *
 * Nothing goes back to the queue by itself, as that would change its place. All deliveries
 * go back together, when their channel closes.
 *
 * @internal
 */

import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type { Broker, Browsed } from "../../broker/Broker.ts"
import type { BrokerError } from "../../broker/BrokerError.ts"
import type { Delivery } from "../../broker/Delivery.ts"
import * as Envelope from "../../broker/Envelope.ts"
import * as Fault from "../../broker/Fault.ts"
import type { Event } from "../../event/Event.ts"
import type { DecodedDelivery } from "../DecodedDelivery.ts"
import * as Settlement from "../Settlement.ts"
import type { Ordering, Subscription } from "../Subscription.ts"
import { DeadLetterDelivery } from "./DeadLetterDelivery.ts"
import { FirstLetters } from "./FirstLetters.ts"
import { Lanes } from "./Lanes.ts"
import * as Lifetime from "./lifetime.ts"
import type { Settle } from "./settle.ts"

/** Handles a delivery, and settles it in a way of its own. */
export interface Process<in Ev extends Event, out R> {
  (delivery: Delivery, delivered: DecodedDelivery<Ev>, settle: Settle["as"]): Effect.Effect<void, never, R>
}

/** The delays between two attempts to look at the dead letters. */
const backoff = Schedule.min([Schedule.exponential("150 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

/** The time after which an event is handled again that its handler put back, in milliseconds. */
const againAfter = 100

/** The number of dead letters that one step takes. */
const batchSize = 100

/** The settlement of an event that goes back with its channel. */
const left: Settlement.Settlement = { _tag: "Requeue" }

/** The dead letters of a parked key. */
interface Parked {
  /** The id of the first one. */
  readonly first: string
  /** The place of the next one. */
  readonly next: number
}

/** Returns whether an event has expired. That of a request is decided by its responder. */
const isExpired = ({ envelope, event }: DecodedDelivery, now: number): boolean =>
  envelope.replyTo === undefined && (Lifetime.expiresAt(event, envelope) ?? Infinity) <= now

/** Returns a delivery whose dead letter parks nothing. */
const alone = (delivered: DecodedDelivery): DecodedDelivery => ({
  ...delivered,
  envelope: { ...delivered.envelope, key: undefined }
})

/** Returns the next attempt of an event. */
const retried = <Ev extends Event>(
  delivered: DecodedDelivery<Ev>,
  fault: Fault.Fault | undefined
): DecodedDelivery<Ev> => {
  const { attempt, envelope, event } = delivered
  const retryCount = Math.max(event.retryCount, attempt)
  const next = { number: attempt + 1, retryCount, fault: fault ?? envelope.fault }
  return {
    ...delivered,
    event: { ...event, retryCount },
    attempt: attempt + 1,
    envelope: Envelope.retried(envelope, next)
  }
}

/** Passes values to `f` until it returns `false`. Returns whether it never did. */
const takeWhile = Effect.fnUntraced(function* <A, E, R>(
  values: ReadonlyArray<A>,
  f: (value: A) => Effect.Effect<boolean, E, R>
): Effect.fn.Return<boolean, E, R> {
  for (const value of values) if (!(yield* f(value))) return false
  return true
})

/** The parked keys, as one session of the consumer knows them. */
interface Known {
  readonly session: unknown
  readonly parked: Map<string, Parked>
  readonly isComplete: Deferred.Deferred<void>
}

/**
 * The dead letters that stay when one of them has failed again, `given up` when the rest is for another session, or `out of reach`
 * when it cannot be looked at. `undefined`: none is left.
 */
type Drained = Parked | "given up" | "out of reach" | undefined

export class OrderedKeys<Ev extends Event> {
  private readonly broker: Broker["Service"]
  private readonly subscription: Subscription<Ev>
  private readonly ordering: Ordering<Ev>
  private readonly lanes = new Lanes()
  private readonly concurrency: number
  private readonly permits: Semaphore.Semaphore
  private readonly closing = Latch.makeUnsafe()
  private isClosed = false
  private known: Known | undefined

  constructor(broker: Broker["Service"], subscription: Subscription<Ev>, ordering: Ordering<Ev>, concurrency: number) {
    this.broker = broker
    this.subscription = subscription
    this.ordering = ordering
    this.concurrency = concurrency
    this.permits = Semaphore.makeUnsafe(concurrency)
  }

  /** Starts no more handlers, and ends the waits between two attempts. */
  close(): void {
    this.isClosed = true
    this.closing.openUnsafe()
  }

  /** Returns the effect that starts handlers again, one at a time where they are probes. */
  open(areProbes: boolean): Effect.Effect<void> {
    return Effect.map(this.permits.resize(areProbes ? 1 : this.concurrency), () => {
      this.isClosed = false
      this.closing.closeUnsafe()
    })
  }

  /** Handles a delivery when those before it of its key are done, or sends it after them if the key is parked. */
  inTurn<R>(
    settle: Settle,
    delivery: Delivery,
    delivered: DecodedDelivery<Ev>,
    process: Process<Ev, R>
  ): Effect.Effect<void, never, R> {
    const { envelope } = delivered
    const { key = "" } = envelope
    return this.lanes.run(
      key,
      this.whenKnown(delivery, ({ parked }) => {
        const letters = parked.get(key)
        if (letters === undefined) return process(delivery, delivered, this.settle(settle, parked))
        const { first, next } = letters
        parked.set(key, { first, next: next + 1 })
        const message = `the key "${key}" is parked behind the dead letter ${first}`
        return Effect.flatMap(Clock.currentTimeMillis, (now) =>
          settle.as(
            delivery,
            { ...delivered, envelope: { ...envelope, behind: first, place: next } },
            Settlement.deadLetter(Fault.make({ reason: "parked", message, attempts: 0, now, type: envelope.type }))
          )
        )
      })
    )
  }

  /** Handles the dead letters of the key that a delivery wakes. It is acknowledged when that is done. */
  wake<R>(settle: Settle, delivery: Delivery, process: Process<Ev, R>): Effect.Effect<void, never, R> {
    const { key = "" } = delivery.envelope
    return this.lanes.run(
      key,
      this.whenKnown(delivery, ({ parked }) =>
        this.drain(settle, delivery, key, process).pipe(
          Effect.flatMap((end) => {
            if (end === "given up") return Effect.void
            if (end === undefined) parked.delete(key)
            else if (end !== "out of reach") parked.set(key, end)
            return delivery.ack
          })
        )
      )
    )
  }

  /** Runs the attempts of an event one after another, as long as its delivery may be held. */
  hold<R>(
    delivered: DecodedDelivery<Ev>,
    attempt: (delivered: DecodedDelivery<Ev>) => Effect.Effect<Settlement.Settlement, never, R>,
    onRetry: (retry: Settlement.Retry, delivered: DecodedDelivery<Ev>, next: DecodedDelivery<Ev>) => Effect.Effect<void>
  ): Effect.Effect<Settlement.Settlement, never, R> {
    // While it waits for others, the subscription may stop.
    const attemptOpen = (delivered: DecodedDelivery<Ev>) =>
      Effect.suspend(() => (this.isClosed ? Effect.succeed<Settlement.Settlement>(left) : attempt(delivered)))
    const run = (
      delivered: DecodedDelivery<Ev>,
      since: number | undefined
    ): Effect.Effect<Settlement.Settlement, never, R> =>
      Effect.flatMap(this.permits.withPermit(attemptOpen(delivered)), (settlement) => {
        const isRepeated = settlement._tag === "Retry" || settlement._tag === "Requeue"
        if (!isRepeated || settlement === left) return Effect.succeed(settlement)
        return Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const delay = settlement._tag === "Retry" ? Duration.toMillis(settlement.delay) : againAfter
          const fault = Settlement.faultOf(settlement)
          if (now - (since ?? now) + delay > Duration.toMillis(this.ordering.holdFor)) {
            return Effect.succeed(Settlement.deadLetter(fault))
          }
          const next = settlement._tag === "Retry" ? retried(delivered, fault) : delivered
          const counted = settlement._tag === "Retry" ? onRetry(settlement, delivered, next) : Effect.void
          return counted.pipe(
            Effect.andThen(Effect.raceFirst(Effect.sleep(delay), this.closing.await)),
            Effect.andThen(Clock.currentTimeMillis),
            Effect.flatMap((later) => {
              if (this.isClosed) return Effect.succeed(left)
              if (!isExpired(next, later)) return run(next, since ?? now)
              const { attempt, envelope, event } = next
              const message = Lifetime.outlived(attempt - 1)
              const previous = envelope.fault
              const expired = { reason: "expired", message, attempts: attempt - 1, type: event.eventType, previous }
              return Effect.succeed(Settlement.deadLetter(Fault.make({ ...expired, now: later })))
            })
          )
        })
      })
    return run(delivered, undefined)
  }

  /** Runs an effect when it is known what is parked, unless the delivery belongs to the broker again. */
  private whenKnown<R>(
    delivery: Delivery,
    f: (known: Known) => Effect.Effect<void, never, R>
  ): Effect.Effect<void, never, R> {
    const isOver = () => this.isClosed || !delivery.isLive()
    return Effect.suspend(() => {
      if (isOver()) return Effect.void
      const known = this.known
      if (known !== undefined && known.session === delivery.session) {
        if (Deferred.isDoneUnsafe(known.isComplete)) return f(known)
        const waited = Effect.raceFirst(Deferred.await(known.isComplete), this.closing.await)
        return Effect.andThen(
          waited,
          Effect.suspend(() => (isOver() ? Effect.void : f(known)))
        )
      }
      // Another process may have handled the queue before this session.
      const next: Known = { session: delivery.session, parked: new Map(), isComplete: Deferred.makeUnsafe() }
      this.known = next
      return Effect.raceFirst(this.look(next, isOver), this.closing.await).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            if (!isOver()) {
              Deferred.doneUnsafe(next.isComplete, Effect.void)
              return f(next)
            }
            // The next delivery that is live looks.
            if (this.known === next) this.known = undefined
            Deferred.doneUnsafe(next.isComplete, Effect.void)
            return Effect.void
          })
        )
      )
    })
  }

  /** Learns from the dead letters what is parked. */
  private look({ parked }: Known, isOver: () => boolean): Effect.Effect<void> {
    const places = new Map<string, number>()
    return this.walk(({ envelope }) =>
      Effect.sync(() => {
        const { id = "", key, place = 0 } = envelope
        if (key === undefined) return true
        const known = parked.get(key)
        const isFirst = known === undefined || place < (places.get(key) ?? 0)
        if (isFirst) places.set(key, place)
        parked.set(key, { first: isFirst ? id : known.first, next: Math.max(known?.next ?? 0, place + 1) })
        return true
      })
    ).pipe(
      Effect.tapError((error) => Effect.logWarning(`"${this.subscription.name}" waits: ${error.message}`)),
      Effect.retry({ schedule: backoff, while: () => !isOver() }),
      Effect.ignore
    )
  }

  /** Looks once at the dead letters, to fail at the start where that is not possible. Others may look for longer than it waits. */
  readonly check: Effect.Effect<void, BrokerError> = Effect.suspend(() => this.walk(() => Effect.succeed(false))).pipe(
    Effect.catchIf(
      ({ reason }) => reason._tag === "TimedOut",
      () => Effect.void
    )
  )

  /** Passes the dead letters to `f` in their order until it returns `false`. Then, while they are held, runs `then`. */
  private walk<E = never, R = never>(
    f: (letter: Browsed) => Effect.Effect<boolean>,
    then: Effect.Effect<void, E, R> = Effect.void
  ): Effect.Effect<void, BrokerError | E, R> {
    const { deadLetterQueue } = this.subscription
    if (deadLetterQueue === undefined) return Effect.void
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const browser = yield* this.broker.browse(deadLetterQueue)
        let left = browser.waiting
        while (left > 0) {
          const letters = yield* browser.take(Math.min(left, batchSize))
          if (letters.length === 0) break
          left -= letters.length
          if (!(yield* takeWhile(letters, f))) break
        }
        yield* then
      })
    )
  }

  /** Settles a delivery, and parks its key with a dead letter. One that has to go back stays as it is. */
  private settle({ as }: Settle, parked: Map<string, Parked>): Settle["as"] {
    return (delivery, delivered, settlement) => {
      if (settlement._tag === "Requeue" || settlement._tag === "Pause") return Effect.void
      const { id = "", key } = delivered.envelope
      if (settlement._tag !== "DeadLetter" || key === undefined) return as(delivery, delivered, settlement)
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        // One that has expired is a dead letter by itself, as it would be in the queue.
        if (isExpired(delivered, now)) return as(delivery, alone(delivered), settlement)
        if (!delivery.isLive()) return as(delivery, delivered, settlement)
        const placed = { ...delivered, envelope: { ...delivered.envelope, place: 0 } }
        return Effect.tap(as(delivery, placed, settlement), () =>
          Effect.sync(() => {
            parked.set(key, { first: id, next: 1 })
          })
        )
      })
    }
  }

  /**
   * Handles the dead letters of a key in their order, each in its place, until one fails
   * again.
   */
  private drain<R>(
    settle: Settle,
    wake: Delivery,
    key: string,
    process: Process<Ev, R>
  ): Effect.Effect<Drained, never, R> {
    const isOver = () => this.isClosed || !wake.isLive()
    let end: Drained | "again"
    let found = new FirstLetters()
    const handled = new Set<string>()
    const one = ({ envelope, remove }: Browsed): Effect.Effect<boolean, BrokerError, R> => {
      end = "given up"
      if (isOver()) return Effect.succeed(false)
      const { id = "" } = envelope
      // A process that is killed may leave an event twice.
      if (handled.has(id)) {
        return Effect.map(remove, () => {
          end = undefined
          return true
        })
      }
      const letter = new DeadLetterDelivery(Envelope.replayed(envelope), remove, isOver)
      const stays = (why: string) => {
        end = { first: id, next: found.next }
        return Effect.logWarning(`The key "${key}" of "${this.subscription.name}" stays parked: ${why}`)
      }
      const decoded = this.subscription.decode(letter.envelope)
      if (Result.isFailure(decoded)) return Effect.as(stays(decoded.failure.detail), false)
      const delivered: DecodedDelivery<Ev> = {
        event: decoded.success,
        envelope: letter.envelope,
        queue: this.subscription.name,
        attempt: 1,
        redelivered: true
      }
      const handling = process(letter, delivered, (delivery, delivered, settlement) => {
        if (settlement._tag === "Requeue" || settlement._tag === "Pause") return Effect.void
        if (settlement._tag === "DeadLetter") return stays(settlement.fault?.message ?? "it failed again")
        end = "again"
        return settle.as(delivery, delivered, settlement)
      })
      // Each event is handled in a fiber of its own, whose context it changes.
      return Effect.map(Effect.flatMap(Effect.forkChild(handling), Fiber.join), () => {
        if (!letter.isRemoved) return false
        end = undefined
        if (id !== "") handled.add(id)
        return true
      })
    }
    const pass: Effect.Effect<void, BrokerError, R> = Effect.suspend(() => {
      end = undefined
      found = new FirstLetters()
      const collect = (letter: Browsed) =>
        Effect.sync(() => {
          if (letter.envelope.key === key) found.add(letter)
          return true
        })
      const inOrder = Effect.suspend(() => takeWhile(found.letters, one))
      // The next pass finds those for which there was no room.
      return Effect.andThen(
        this.walk(collect, Effect.asVoid(inOrder)),
        Effect.suspend(() => {
          if (end !== undefined || !found.hasMore) return Effect.void
          handled.clear()
          return pass
        })
      )
    })
    return pass.pipe(
      Effect.tapError((error) => Effect.logWarning(`The key "${key}" has to wait: ${error.message}`)),
      Effect.retry({ schedule: backoff, while: (error) => error.isRetryable && !isOver() }),
      Effect.matchEffect({
        onSuccess: () =>
          // It was handled, but is still among the dead letters.
          end === "again" && !isOver()
            ? Effect.andThen(Effect.sleep(againAfter), this.drain(settle, wake, key, process))
            : Effect.succeed(end === "again" ? "given up" : end),
        onFailure: (error) => Effect.succeed(error.isRetryable ? "given up" : "out of reach")
      })
    )
  }
}
