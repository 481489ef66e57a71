/**
 * A broker in this process's memory.
 *
 * It keeps the promises of a broker while the process lives: topic routing, prefetch,
 * delayed retries, dead letters with their faults, times to live, and priorities. Its
 * delays follow the `Clock`, so tests control them with the test clock. Its queues are
 * bounded: a full queue makes publishers wait.
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
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Broker from "../broker/Broker.ts"
import { BrokerError, NotFound, SubscribeError } from "../broker/BrokerError.ts"
import type { Delivery } from "../broker/Delivery.ts"
import type * as Envelope from "../broker/Envelope.ts"
import * as QueueSpec from "../broker/QueueSpec.ts"
import { MemoryConsumer } from "./internal/MemoryConsumer.ts"
import { MemoryDelivery } from "./internal/MemoryDelivery.ts"
import type { MemoryQueue } from "./internal/MemoryQueue.ts"
import { deadLetterQueue, MemoryQueues } from "./internal/MemoryQueues.ts"
import type { QueuedMessage } from "./internal/QueuedMessage.ts"

/**
 * A read-only view of the queues of the memory broker.
 *
 * **Example** (Inspecting the dead letters in a test)
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
    /** Returns the envelopes that wait in a queue, the next one first. */
    readonly peek: (queue: string) => Effect.Effect<ReadonlyArray<Envelope.Envelope>>
    /** Returns the envelopes that wait in a queue, as soon as there are at least `count`. */
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
  /** The number of unsettled deliveries that a consumer may hold, unless its subscription sets it. Default: 1. */
  readonly prefetch?: number | undefined
  /** The number of events that a queue keeps, waiting or unsettled. Default: 100,000. */
  readonly capacity?: number | undefined
  /** The time that a publish waits for room before it fails with `Blocked`. Default: 10 seconds. */
  readonly publishTimeout?: Duration.Input | undefined
  /** The largest body of an event, in bytes. Default: 4 MiB. */
  readonly maxBodyBytes?: number | undefined
}

const checkCapacity = (capacity: number): number => {
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new RangeError(`The capacity of a queue must be a whole number of at least 1, not ${capacity}`)
  }
  return capacity
}

const make = (options: Options) =>
  Effect.gen(function* () {
    const prefetch = options.prefetch ?? 1
    const queues = new MemoryQueues({
      clock: yield* Clock.Clock,
      run: yield* FiberSet.makeRuntime(),
      capacity: checkCapacity(options.capacity ?? 100_000),
      publishTimeout: Duration.fromInputUnsafe(options.publishTimeout ?? "10 seconds")
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => queues.close()))

    const known = (name: string): Effect.Effect<MemoryQueue, BrokerError> =>
      Effect.suspend(() => {
        const queue = queues.byName.get(name)
        return queue === undefined
          ? Effect.fail(new BrokerError({ reason: new NotFound({ name, detail: "no such queue in memory" }) }))
          : Effect.succeed(queue)
      })

    const broker = Broker.Broker.of({
      system: "memory",
      destination: "",
      host: undefined,
      prefetch,
      maxBodyBytes: options.maxBodyBytes ?? 4 * 1024 * 1024,
      publish: (envelope, delay) =>
        delay === undefined ? queues.publish(envelope) : queues.publishLater(envelope, delay),
      put: (name, envelope, delay) =>
        delay === undefined ? queues.put(name, envelope) : queues.putLater(name, envelope, delay),
      reply: (name, envelope) => queues.put(name, envelope),
      declare: (wanted) =>
        Effect.mapBoth(declare(queues, wanted), {
          onSuccess: () => {},
          onFailure: (reason) => new SubscribeError({ queue: wanted.name, reason })
        }),
      consume: (wanted, deliver) =>
        Effect.mapError(
          consume(queues, wanted, QueueSpec.prefetchOf(wanted, prefetch), deliver),
          (reason) => new SubscribeError({ queue: wanted.name, reason })
        ),
      browse: yield* Broker.exclusive((name) => Effect.flatMap(known(name), browse)),
      queueInfo: (name) =>
        Effect.sync(() =>
          Option.map(Option.fromNullishOr(queues.byName.get(name)), ({ consumers, messages }) => ({
            name,
            messages,
            consumers: consumers.length
          }))
        ),
      purge: (name) => Effect.map(known(name), (queue) => queue.purge()),
      health: Effect.sync(() => ({
        status: queues.closed ? "unhealthy" : "healthy",
        connected: !queues.closed,
        details: {
          broker: "memory",
          queues: queues.byName.size,
          messages: [...queues.byName.values()].reduce((sum, queue) => sum + queue.messages, 0)
        }
      }))
    })

    const waiting = (queue: string) => Effect.sync(() => queues.byName.get(queue)?.envelopes ?? [])
    const memory = MemoryBroker.of({
      queues: Effect.sync(() => [...queues.byName.keys()]),
      peek: waiting,
      expect: Effect.fnUntraced(function* (queue, count) {
        for (;;) {
          const envelopes = yield* waiting(queue)
          if (envelopes.length >= count) return envelopes
          yield* (queues.byName.get(queue)?.arrival ?? queues.added).await
        }
      })
    })

    return Context.make(Broker.Broker, broker).pipe(Context.add(MemoryBroker, memory))
  })

/** Declares a queue with its dead letters, and binds it. */
const declare = Effect.fnUntraced(function* (queues: MemoryQueues, wanted: QueueSpec.QueueSpec) {
  const forDeadLetters = QueueSpec.isDeadLetterQueue(wanted.name) && !wanted.temporary
  if (wanted.deadLetterQueue !== undefined) yield* queues.declare(deadLetterQueue(wanted.deadLetterQueue))
  const queue = yield* queues.declare(forDeadLetters ? deadLetterQueue(wanted.name) : wanted)
  for (const pattern of wanted.patterns) queues.bind(pattern, queue)
  return queue
})

/** Consumes a queue until the scope closes. */
const consume = Effect.fnUntraced(function* (
  queues: MemoryQueues,
  wanted: QueueSpec.QueueSpec,
  limit: number,
  deliver: (delivery: Delivery) => void
) {
  const queue = yield* declare(queues, wanted)
  const deliveries = yield* Queue.bounded<Delivery, Cause.Done>(limit)
  const consumer = new MemoryConsumer(limit, (message) => {
    Queue.offerUnsafe(deliveries, new MemoryDelivery(message, consumer, queue))
  })
  // Delivers in a fiber of its own. Otherwise a handler that publishes would run the next handler on its own stack.
  const delivering = yield* Effect.forkScoped(
    Effect.map(Queue.takeAll(deliveries), (taken) => taken.forEach(deliver)).pipe(
      Effect.forever({ disableYield: true }),
      Pull.catchDone(() => Effect.void)
    )
  )
  yield* Effect.acquireRelease(
    Effect.sync(() => queue.attach(consumer)),
    () =>
      Effect.sync(() => {
        queue.detach(consumer)
        queue.putBack(consumer.releaseAll())
        if (wanted.temporary) queues.remove(queue)
      })
  )
  return {
    cancel: Effect.suspend(() => {
      queue.detach(consumer)
      return Effect.andThen(Queue.end(deliveries), Fiber.await(delivering))
    })
  }
})

/** Holds the messages that it shows, and puts them back when the scope closes. */
const browse = Effect.fnUntraced(function* (queue: MemoryQueue) {
  const held = yield* Effect.acquireRelease(
    Effect.sync(() => new Set<QueuedMessage>()),
    (held) => Effect.sync(() => queue.putBack(held))
  )
  const take = (atMost: number): ReadonlyArray<Broker.Browsed> => {
    const taken: Array<Broker.Browsed> = []
    while (taken.length < atMost) {
      const message = queue.pull()
      if (message === undefined) break
      held.add(message)
      const remove = Effect.sync(() => {
        if (held.delete(message)) queue.release()
      })
      taken.push({ envelope: message.envelope, remove })
    }
    return taken
  }
  return {
    waiting: queue.messages,
    consumers: queue.consumers.length,
    take: (atMost: number) => Effect.sync(() => take(atMost))
  }
})

/**
 * A layer with a broker in memory, and the service that inspects it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Broker.Broker | MemoryBroker> =>
  Layer.effectContext(make(options))
