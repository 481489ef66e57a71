import { Effect, type Fiber, Queue } from "effect"
import { Broker, type Delivery, type Envelope, MemoryBroker, Subscription } from "effect-eventbus"
import { TestClock } from "effect/testing"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** An envelope whose body is its name, as of a publisher that knows nothing of the bus. */
export const envelope = (name: string, fields: Partial<Envelope.Envelope> = {}): Envelope.Envelope => ({
  id: undefined,
  type: undefined,
  version: undefined,
  routingKey: "a.normal",
  body: encoder.encode(name),
  timestamp: undefined,
  source: undefined,
  traceId: undefined,
  priority: "normal",
  ttl: undefined,
  persistent: true,
  traceparent: undefined,
  round: 0,
  attempt: undefined,
  origin: undefined,
  fault: undefined,
  ...fields
})
export const nameOf = (envelope: Envelope.Envelope | undefined) => decoder.decode(envelope?.body)

export const publish = (name: string, fields?: Partial<Envelope.Envelope>) =>
  Effect.flatMap(Broker.Broker, (broker) => broker.publish(envelope(name, fields)))
export const consume = (queue: string, options: Partial<Subscription.Options> = {}) =>
  Effect.flatMap(Broker.Broker, (broker) =>
    Broker.deliveries(broker, Subscription.make(queue, { patterns: ["a.#"], concurrency: 100, ...options }))
  )
/** Declares a queue, and leaves it to itself. */
export const declare = (queue: string, options?: Partial<Subscription.Options>) =>
  Effect.scoped(consume(queue, options))

export const waiting = (queue: string) =>
  Effect.map(
    MemoryBroker.MemoryBroker.use((memory) => memory.peek(queue)),
    (envelopes) => envelopes.map(nameOf)
  )
export const messages = (queue: string) => Effect.map(waiting(queue), (names) => names.length)

/** Starts an effect, and lets it and all others go on as far as they get. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.forkChild(effect, { startImmediately: true }), TestClock.adjust(0))
export const isDone = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.map(TestClock.adjust(0), () => fiber.pollUnsafe() !== undefined)

/** The names of what is delivered without waiting. */
export const delivered = (deliveries: Queue.Dequeue<Delivery.Delivery>) =>
  Effect.map(Effect.andThen(TestClock.adjust(0), Queue.clear(deliveries)), (deliveries) =>
    deliveries.map((delivery) => nameOf(delivery.envelope))
  )

export const withBroker =
  (options?: MemoryBroker.Options) =>
  <A, E, R>(test: Effect.Effect<A, E, R>) =>
    Effect.provide(test, MemoryBroker.layer(options))
