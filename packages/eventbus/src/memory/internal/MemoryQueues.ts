/**
 * The queues of a broker in memory, with their bindings, expiry and capacity.
 *
 * @internal
 */

import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { Refused, TopologyMismatch } from "../../broker/BrokerError.ts"
import * as Envelope from "../../broker/Envelope.ts"
import * as Fault from "../../broker/Fault.ts"
import * as PublishError from "../../broker/PublishError.ts"
import type { QueueSpec } from "../../broker/QueueSpec.ts"
import { MemoryQueue } from "./MemoryQueue.ts"
import { kept } from "./QueuedMessage.ts"
import { TopicTrie } from "./TopicTrie.ts"

/** Returns the queue that keeps dead letters. It is the same for all subscriptions that declare it. */
export const deadLetterQueue = (name: string): QueueSpec => ({
  name,
  patterns: [],
  concurrency: undefined,
  deadLetterQueue: undefined,
  messageTtl: undefined,
  priorities: false,
  temporary: false
})

/** Waits until all of the queues have room at the same time. */
const awaitRoom = Effect.fnUntraced(function* (queues: ReadonlyArray<MemoryQueue>) {
  for (;;) {
    const full = queues.find((queue) => queue.isFull)
    if (full === undefined) return
    yield* full.room
  }
})

interface Options {
  readonly clock: Clock.Clock
  /** Runs an effect in the background, for as long as the broker lives. */
  readonly run: (effect: Effect.Effect<unknown>) => Fiber.Fiber<unknown>
  readonly capacity: number
  readonly publishTimeout: Duration.Duration
}

export class MemoryQueues {
  /** Wakes the fibers waiting for a queue to be declared. */
  readonly added: Latch.Latch = Latch.makeUnsafe(false)
  readonly byName = new Map<string, MemoryQueue>()
  private readonly bindings = new TopicTrie<MemoryQueue>()
  /** The queues whose expired messages wait for room among the dead letters. */
  private readonly heldUp = new Set<MemoryQueue>()
  private readonly options: Options
  private isClosed = false
  /** The number of delayed events that are in no queue yet. */
  private later = 0

  constructor(options: Options) {
    this.options = options
  }

  get closed(): boolean {
    return this.isClosed
  }

  /** Takes back every delivery, so that no settlement waits for a closed broker. */
  close(): void {
    this.isClosed = true
    for (const queue of this.byName.values()) queue.isClosed = true
  }

  declare(wanted: QueueSpec): Effect.Effect<MemoryQueue, TopologyMismatch | Refused> {
    const existing = this.byName.get(wanted.name)
    if (existing === undefined) return Effect.sync(() => this.add(wanted))
    if (existing.declared.temporary || wanted.temporary) {
      const detail = "a temporary queue belongs to one subscription alone"
      return Effect.fail(new Refused({ operation: `declare the queue "${wanted.name}"`, detail }))
    }
    const differs = (["deadLetterQueue", "messageTtl", "priorities", "singleActive"] as const).find(
      (argument) => existing.declared[argument] !== wanted[argument]
    )
    if (differs === undefined) return Effect.succeed(existing)
    const [current, want] = [existing.declared[differs], wanted[differs]]
    return Effect.fail(new TopologyMismatch({ name: wanted.name, argument: differs, wanted: want, current }))
  }

  bind(pattern: string, queue: MemoryQueue): void {
    this.bindings.add(pattern, queue)
  }

  remove(queue: MemoryQueue): void {
    this.byName.delete(queue.declared.name)
    this.bindings.remove(queue)
  }

  /** Adds the envelope to every queue that is bound for its routing key. */
  publish(envelope: Envelope.Envelope): Effect.Effect<void, PublishError.Reason> {
    return this.deliver(envelope, envelope.routingKey, () => [...this.bindings.match(envelope.routingKey)])
  }

  /**
   * Adds the envelope, after a delay, to every queue that is bound for its routing key then. It waits for their room in
   * the background, and counts among those that wait until it is in.
   */
  publishLater(envelope: Envelope.Envelope, delay: number): Effect.Effect<void, PublishError.Reason> {
    return Effect.suspend(() => {
      if (this.isClosed) return this.refuse()
      if (this.later >= this.options.capacity) {
        const detail = `${this.later} delayed events wait already`
        return Effect.fail(new PublishError.Blocked({ detail, millis: 0 }))
      }
      this.later++
      const own = kept(envelope)
      this.options.run(
        this.delayed(delay).pipe(
          Effect.andThen(this.enterWhenRoom(own)),
          Effect.ensuring(Effect.sync(() => this.later--))
        )
      )
      return Effect.void
    })
  }

  private enterWhenRoom(envelope: Envelope.Envelope): Effect.Effect<void> {
    return Effect.suspend(() => {
      const targets = [...this.bindings.match(envelope.routingKey)]
      if (targets.length === 0) {
        return Effect.logWarning(`No queue is bound for "${envelope.routingKey}": a delayed event is dropped`)
      }
      return Effect.map(awaitRoom(targets), () => targets.forEach((queue) => queue.push(envelope)))
    })
  }

  /** Adds the envelope to the queue of that name. */
  put(name: string, envelope: Envelope.Envelope): Effect.Effect<void, PublishError.Reason> {
    return this.deliver(envelope, name, () => {
      const queue = this.byName.get(name)
      return queue === undefined ? [] : [queue]
    })
  }

  /** Adds the envelope to the queue of that name after a delay. It counts against the capacity at once. */
  putLater(name: string, envelope: Envelope.Envelope, delay: number): Effect.Effect<void, PublishError.Reason> {
    return Effect.suspend(() => {
      const queue = this.byName.get(name)
      if (this.isClosed) return this.refuse()
      if (queue === undefined) return Effect.fail(new PublishError.Unroutable({ routingKey: name }))
      queue.reserve()
      const later = kept(envelope)
      this.options.run(
        Effect.andThen(
          this.delayed(delay),
          Effect.sync(() => queue.enter(later))
        )
      )
      return Effect.void
    })
  }

  /** Sleeps at least for the delay. After a busy turn of the event loop, a timer fires some milliseconds early. */
  private delayed(delay: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const due = this.now() + delay
      const rest = (): Effect.Effect<void> =>
        this.now() < due ? Effect.andThen(Effect.sleep(due - this.now()), Effect.suspend(rest)) : Effect.void
      return Effect.andThen(Effect.sleep(delay), Effect.suspend(rest))
    })
  }

  private refuse(): Effect.Effect<never, PublishError.Reason> {
    return Effect.fail(new PublishError.Disconnected({ detail: "the bus is closed", millis: 0 }))
  }

  /** Adds the envelope to all of the queues as soon as they have room. */
  private deliver(
    envelope: Envelope.Envelope,
    routingKey: string,
    targetsOf: () => ReadonlyArray<MemoryQueue>
  ): Effect.Effect<void, PublishError.Reason> {
    return Effect.suspend((): Effect.Effect<void, PublishError.Reason> => {
      if (this.isClosed) return this.refuse()
      const targets = targetsOf()
      if (targets.length === 0) return Effect.fail(new PublishError.Unroutable({ routingKey }))
      const push = () => targets.forEach((queue) => queue.push(envelope))
      if (!targets.some((queue) => queue.isFull)) {
        push()
        return targets.some((queue) => queue.isBehind) ? Effect.yieldNow : Effect.void
      }
      return this.pushWithinTimeout(targets, push)
    })
  }

  private pushWithinTimeout(
    targets: ReadonlyArray<MemoryQueue>,
    push: () => void
  ): Effect.Effect<void, PublishError.Reason> {
    const { publishTimeout } = this.options
    return Effect.map(awaitRoom(targets), push).pipe(
      Effect.timeoutOrElse({
        duration: publishTimeout,
        orElse: () => {
          const full = targets.filter((queue) => queue.isFull).map((queue) => `"${queue.declared.name}"`)
          const detail = `the queue ${full.join(", ")} is full`
          return Effect.fail(new PublishError.Blocked({ detail, millis: Duration.toMillis(publishTimeout) }))
        }
      })
    )
  }

  private readonly now = (): number => this.options.clock.currentTimeMillisUnsafe()

  private add(declared: QueueSpec): MemoryQueue {
    const queue = new MemoryQueue(declared, this.options.capacity, this.now)
    let armed = Infinity
    queue.onExpired = (envelope) => this.expire(queue, envelope)
    queue.onExpiringHead = (at) => {
      if (armed <= at) return
      armed = at
      this.options.run(
        Effect.andThen(
          Effect.sleep(at - this.now()),
          Effect.sync(() => {
            armed = Infinity
            queue.dispatch()
          })
        )
      )
    }
    this.byName.set(declared.name, queue)
    this.added.openUnsafe()
    this.added.closeUnsafe()
    return queue
  }

  /** Moves an expired envelope to the dead letters. Returns `false` when they have no room for it. */
  private expire(queue: MemoryQueue, envelope: Envelope.Envelope): boolean {
    const target = this.byName.get(queue.declared.deadLetterQueue ?? "")
    if (target === undefined) return true
    if (target.isFull) {
      this.resumeWhenRoom(queue, target)
      return false
    }
    const fault = Fault.make({
      reason: "expired",
      message: "the event waited longer than its time to live",
      attempts: (envelope.attempt ?? 1) - 1,
      now: this.now(),
      type: envelope.type,
      previous: envelope.fault
    })
    const origin = { queue: queue.declared.name, exchange: undefined }
    target.push({ ...Envelope.deadLettered(envelope, fault), origin })
    return true
  }

  private resumeWhenRoom(queue: MemoryQueue, target: MemoryQueue): void {
    if (this.heldUp.has(queue)) return
    this.heldUp.add(queue)
    this.options.run(
      Effect.andThen(
        target.room,
        Effect.sync(() => {
          this.heldUp.delete(queue)
          queue.dispatch()
        })
      )
    )
  }
}
