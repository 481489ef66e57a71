/**
 * A broker in this process's memory.
 *
 * It keeps the promises of a broker for as long as the process lives: topic
 * routing, prefetch, retries after a delay, dead letters with their fault, times
 * to live, priorities. All its delays are those of the `Clock`, so tests drive
 * them with the test clock. Its queues are bounded: a full one pushes back.
 *
 * @since 0.1.0
 */

import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Broker from "../broker/Broker.ts"
import { BrokerError, NotFound, Refused, SubscribeError, TopologyMismatch } from "../broker/BrokerError.ts"
import type { Delivery } from "../broker/Delivery.ts"
import * as Envelope from "../broker/Envelope.ts"
import * as Fault from "../broker/Fault.ts"
import * as PublishError from "../broker/PublishError.ts"
import * as QueueSpec from "../broker/QueueSpec.ts"
import { type Item, MemoryConsumer } from "./internal/MemoryConsumer.ts"
import { type Exits, MemoryDelivery } from "./internal/MemoryDelivery.ts"
import { MemoryQueue } from "./internal/MemoryQueue.ts"
import { TopicTrie } from "./internal/TopicTrie.ts"

/**
 * Looks into the queues of the memory broker, and changes nothing.
 *
 * **Example** (Looking at the dead letters in a test)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Effect } from "effect"
 * import { EventBus, EventType, FailurePolicy, Handler, MemoryBroker, Subscription } from "effect-eventbus"
 *
 * const Ping = EventType.untyped("ping")
 * const broken = Handler.make(Subscription.make("pings", { events: [Ping] }), () => Effect.fail("no")).pipe(
 *   Handler.onFailure(FailurePolicy.deadLetter)
 * )
 *
 * const program = Effect.gen(function*() {
 *   const bus = yield* EventBus.EventBus
 *   const memory = yield* MemoryBroker.MemoryBroker
 *   yield* bus.subscribe(broken)
 *   yield* bus.publish(yield* Ping.event({}))
 *   const [letter] = yield* memory.expect("dlq.pings", 1)
 *   assert.strictEqual(letter?.fault?.message, "no")
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(EventBus.layerMemory)))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class MemoryBroker extends Context.Service<
  MemoryBroker,
  {
    /** The names of all queues. */
    readonly queues: Effect.Effect<ReadonlyArray<string>>
    /** What waits in a queue, next one first. */
    readonly peek: (queue: string) => Effect.Effect<ReadonlyArray<Envelope.Envelope>>
    /** Waits until at least so many envelopes wait in a queue, and returns them. */
    readonly expect: (queue: string, count: number) => Effect.Effect<ReadonlyArray<Envelope.Envelope>>
  }
>()("effect-eventbus/MemoryBroker") {}

/**
 * Options of the memory broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many deliveries a consumer may hold, where its subscription does not say. Default: 1. */
  readonly prefetch?: number | undefined
  /** How many events a queue keeps, waiting and unsettled ones together. Default: 100,000. */
  readonly capacity?: number | undefined
  /** How long a publish waits for room before it is `Blocked`. Default: 10 seconds. */
  readonly publishTimeout?: Duration.Input | undefined
  /** Default: 4 MiB. */
  readonly maxBodyBytes?: number | undefined
}

const checkCapacity = (capacity: number): number => {
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new RangeError(`The capacity of a queue must be a whole number from 1 up, not ${capacity}`)
  }
  return capacity
}

/** What a queue of dead letters is, whoever declares it. */
const deadLetters = (name: string): QueueSpec.QueueSpec => ({
  name,
  patterns: [],
  concurrency: undefined,
  deadLetterQueue: undefined,
  messageTtl: undefined,
  priorities: false,
  temporary: false
})

const make = (options: Options) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const run = yield* FiberSet.makeRuntime()
    const capacity = checkCapacity(options.capacity ?? 100_000)
    const prefetch = options.prefetch ?? 1
    const publishTimeout = Duration.fromInputUnsafe(options.publishTimeout ?? "10 seconds")
    const now = () => clock.currentTimeMillisUnsafe()
    const queues = new Map<string, MemoryQueue>()
    const bindings = new TopicTrie<MemoryQueue>()
    /** Lets those through who wait for a queue to be declared. */
    const added = Latch.makeUnsafe(false)
    let closed = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
      })
    )
    /** Those whose expired events wait for room among the dead letters. */
    const heldUp = new Set<MemoryQueue>()

    /** Moves an expired envelope to the dead letters, as soon as they have room for it. */
    const expire = (queue: MemoryQueue, envelope: Envelope.Envelope): boolean => {
      const target = queues.get(queue.declared.deadLetterQueue ?? "")
      if (target === undefined) return true
      if (target.isFull) {
        if (heldUp.has(queue)) return false
        heldUp.add(queue)
        run(
          Effect.andThen(
            target.room,
            Effect.sync(() => {
              heldUp.delete(queue)
              queue.dispatch()
            })
          )
        )
        return false
      }
      const attempts = (envelope.attempt ?? 1) - 1
      const message = "the event waited longer than its time to live"
      const fault = Fault.make({
        reason: "expired",
        message,
        attempts,
        now: now(),
        type: envelope.type,
        previous: envelope.fault
      })
      target.push(kept(Envelope.deadLettered(envelope, fault), queue))
      return true
    }

    const add = (declared: QueueSpec.QueueSpec): MemoryQueue => {
      const queue = new MemoryQueue(declared, capacity, now)
      let armed = Infinity
      queue.onExpired = (envelope) => expire(queue, envelope)
      queue.onExpiringHead = (at) => {
        if (armed <= at) return
        armed = at
        run(
          Effect.andThen(
            Effect.sleep(at - now()),
            Effect.sync(() => {
              armed = Infinity
              queue.dispatch()
            })
          )
        )
      }
      queues.set(declared.name, queue)
      added.openUnsafe()
      added.closeUnsafe()
      return queue
    }

    const declare = (wanted: QueueSpec.QueueSpec): Effect.Effect<MemoryQueue, TopologyMismatch | Refused> => {
      const existing = queues.get(wanted.name)
      if (existing === undefined) return Effect.sync(() => add(wanted))
      if (existing.declared.temporary || wanted.temporary) {
        const detail = "a temporary queue belongs to one subscription alone"
        return Effect.fail(new Refused({ operation: `declare the queue "${wanted.name}"`, detail }))
      }
      const differs = (["deadLetterQueue", "messageTtl", "priorities"] as const).find(
        (argument) => existing.declared[argument] !== wanted[argument]
      )
      if (differs === undefined) return Effect.succeed(existing)
      const [current, want] = [existing.declared[differs], wanted[differs]]
      return Effect.fail(new TopologyMismatch({ name: wanted.name, argument: differs, wanted: want, current }))
    }

    /** What becomes of a queue's deliveries that are not simply settled. */
    const exitsOf = (queue: MemoryQueue, deadLetterQueue: MemoryQueue | undefined): Exits => ({
      retry: (envelope, delay) => {
        run(
          Effect.andThen(
            Effect.sleep(delay),
            Effect.sync(() => queue.enter({ ...envelope, origin: originOf(queue) }))
          )
        )
      },
      awaitDeadLetterRoom: deadLetterQueue === undefined ? Effect.void : awaitRoom([deadLetterQueue]),
      deadLetter: (envelope) => {
        deadLetterQueue?.push(kept(envelope, queue))
        queue.release()
      }
    })

    const consume = Effect.fnUntraced(
      function* (wanted: QueueSpec.QueueSpec, deliver: (delivery: Delivery) => void) {
        const forDeadLetters = QueueSpec.isDeadLetterQueue(wanted.name) && !wanted.temporary
        const deadLetterQueue =
          wanted.deadLetterQueue === undefined ? undefined : yield* declare(deadLetters(wanted.deadLetterQueue))
        const queue = yield* declare(forDeadLetters ? deadLetters(wanted.name) : wanted)
        for (const pattern of wanted.patterns) bindings.add(pattern, queue)
        const limit = wanted.concurrency ?? prefetch
        const deliveries = yield* Queue.bounded<Delivery, Cause.Done>(limit)
        const exits = exitsOf(queue, deadLetterQueue)
        const consumer = new MemoryConsumer(limit, (item) => {
          Queue.offerUnsafe(deliveries, new MemoryDelivery(item, consumer, queue, exits))
        })
        // In a fiber of its own: whoever publishes in a handler would else be on top of its own handler, and so on.
        const delivering = yield* Effect.forkScoped(
          Effect.map(Queue.takeAll(deliveries), (taken) => taken.forEach(deliver)).pipe(
            Effect.forever({ disableYield: true }),
            Pull.catchDone(() => Effect.void)
          )
        )
        const leave = () => {
          const at = queue.consumers.indexOf(consumer)
          if (at >= 0) queue.consumers.splice(at, 1)
        }
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            queue.consumers.push(consumer)
            queue.dispatch()
          }),
          () =>
            Effect.sync(() => {
              leave()
              queue.putBack(consumer.releaseAll())
              if (!wanted.temporary) return
              queues.delete(wanted.name)
              bindings.remove(queue)
            })
        )
        return {
          cancel: Effect.suspend(() => {
            leave()
            return Effect.andThen(Queue.end(deliveries), Fiber.await(delivering))
          })
        }
      },
      (effect, wanted) => Effect.mapError(effect, (reason) => new SubscribeError({ queue: wanted.name, reason }))
    )

    /** Puts an envelope into all of the queues, as soon as they have room for it. */
    const deliver = (
      envelope: Envelope.Envelope,
      routingKey: string,
      targetsOf: () => ReadonlyArray<MemoryQueue>
    ): Effect.Effect<void, PublishError.Reason> =>
      Effect.suspend((): Effect.Effect<void, PublishError.Reason> => {
        if (closed) return Effect.fail(new PublishError.Disconnected({ detail: "the bus is closed", millis: 0 }))
        const targets = targetsOf()
        if (targets.length === 0) return Effect.fail(new PublishError.Unroutable({ routingKey }))
        const push = () => targets.forEach((queue) => queue.push(envelope))
        if (!targets.some((queue) => queue.isFull)) {
          push()
          return targets.some((queue) => queue.isBehind) ? Effect.yieldNow : Effect.void
        }
        return Effect.map(awaitRoom(targets), push).pipe(
          Effect.timeoutOrElse({
            duration: publishTimeout,
            orElse: () => {
              const full = targets
                .filter((queue) => queue.isFull)
                .map((queue) => `"${queue.declared.name}"`)
                .join(", ")
              const millis = Duration.toMillis(publishTimeout)
              return Effect.fail(new PublishError.Blocked({ detail: `the queue ${full} is full`, millis }))
            }
          })
        )
      })

    const known = (name: string): Effect.Effect<MemoryQueue, BrokerError> =>
      Effect.suspend(() => {
        const queue = queues.get(name)
        return queue === undefined
          ? Effect.fail(new BrokerError({ reason: new NotFound({ name, detail: "no such queue in memory" }) }))
          : Effect.succeed(queue)
      })

    const browse = Effect.fnUntraced(function* (name: string) {
      const queue = yield* known(name)
      const held = yield* Effect.acquireRelease(
        Effect.sync(() => new Set<Item>()),
        (held) => Effect.sync(() => queue.putBack(held))
      )
      return {
        waiting: queue.messages,
        take: (atMost: number) =>
          Effect.sync(() => {
            const taken: Array<Broker.Browsed> = []
            while (taken.length < atMost) {
              const item = queue.pull()
              if (item === undefined) break
              held.add(item)
              const remove = Effect.sync(() => {
                if (held.delete(item)) queue.release()
              })
              taken.push({ envelope: item.envelope, remove })
            }
            return taken
          })
      }
    })

    const waiting = (queue: string) => Effect.sync(() => queues.get(queue)?.envelopes ?? [])

    const broker = Broker.Broker.of({
      system: "memory",
      destination: "",
      prefetch,
      maxBodyBytes: options.maxBodyBytes ?? 4 * 1024 * 1024,
      publish: (envelope) => deliver(envelope, envelope.routingKey, () => [...bindings.match(envelope.routingKey)]),
      consume,
      put: (name, envelope) =>
        deliver(envelope, name, () => {
          const queue = queues.get(name)
          return queue === undefined ? [] : [queue]
        }),
      browse,
      queueInfo: (name) =>
        Effect.sync(() =>
          Option.map(Option.fromNullishOr(queues.get(name)), ({ messages, consumers }) => ({
            name,
            messages,
            consumers: consumers.length
          }))
        ),
      purge: (name) => Effect.map(known(name), (queue) => queue.purge()),
      health: Effect.sync(() => ({
        status: closed ? "unhealthy" : "healthy",
        connected: !closed,
        details: {
          broker: "memory",
          queues: queues.size,
          messages: [...queues.values()].reduce((sum, queue) => sum + queue.messages, 0)
        }
      }))
    })

    const memory = MemoryBroker.of({
      queues: Effect.sync(() => [...queues.keys()]),
      peek: waiting,
      expect: Effect.fnUntraced(function* (queue, count) {
        for (;;) {
          const envelopes = yield* waiting(queue)
          if (envelopes.length >= count) return envelopes
          yield* (queues.get(queue)?.arrival ?? added).await
        }
      })
    })

    return Context.make(Broker.Broker, broker).pipe(Context.add(MemoryBroker, memory))
  })

const originOf = ({ declared }: MemoryQueue): Envelope.Origin => ({ queue: declared.name, exchange: undefined })

/** The envelope for the dead letters of a queue: bodies come in blocks, of which one that stays must not keep the rest. */
const kept = (envelope: Envelope.Envelope, queue: MemoryQueue): Envelope.Envelope => ({
  ...envelope,
  body: envelope.body.slice(),
  origin: originOf(queue)
})

/** Waits until all of the queues have room at the same time. */
const awaitRoom = Effect.fnUntraced(function* (queues: ReadonlyArray<MemoryQueue>) {
  for (;;) {
    const full = queues.find((queue) => queue.isFull)
    if (full === undefined) return
    yield* full.room
  }
})

/**
 * A broker in memory, and the service that looks into it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Broker.Broker | MemoryBroker> =>
  Layer.effectContext(make(options))
