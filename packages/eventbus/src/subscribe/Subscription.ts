/**
 * A subscription, as data: a queue, what it receives, and how it is kept.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as QueueSpec from "../broker/QueueSpec.ts"
import * as RoutingKey from "../broker/RoutingKey.ts"
import type * as Event from "../event/Event.ts"
import * as EventCodec from "../event/EventCodec.ts"
import type * as EventType from "../event/EventType.ts"

/**
 * Marks a subscription.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~effect-eventbus/Subscription" as const

/**
 * A subscription whose handler receives events of type `E`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscription<out E extends Event.Event> extends QueueSpec.QueueSpec {
  readonly [TypeId]: typeof TypeId
  /** The event types that its handler knows; none where it takes any event. */
  readonly events: ReadonlyArray<EventType.Any>
  readonly decode: EventCodec.Decoder<E>
  /** Whether events leave the queue before they are handled, not after. */
  readonly atMostOnce: boolean
  /** How long handlers may go on when the subscription stops. */
  readonly drainTimeout: Duration.Duration
  /** What the span that published an event is to the span that handles it. */
  readonly producerSpan: "link" | "parent"
}

/**
 * Whether a value is a subscription.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSubscription = (u: unknown): u is Subscription<Event.Event> => Predicate.hasProperty(u, TypeId)

/**
 * Options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How many events are handled at once, which is also how many the broker hands
   * out in advance. Default: the broker's configured prefetch count.
   */
  readonly concurrency?: number | undefined
  /**
   * Whether events that cannot be handled are kept in `dlq.{queue}`. Default:
   * `true`, or `false` for at-most-once. Without it they are discarded and counted.
   */
  readonly deadLetter?: boolean | undefined
  /** How long an event may wait before it expires into the dead letters. Default: for ever. */
  readonly messageTtl?: Duration.Input | undefined
  /**
   * `at-most-once` takes an event off the queue before it is handled, so that it
   * is never handled twice, and a failure, a crash or a stop may lose it. There
   * are no retries and no dead letters. Default: `at-least-once`.
   */
  readonly guarantee?: "at-least-once" | "at-most-once" | undefined
  /**
   * Whether more urgent events overtake the others in the queue. Default: `false`.
   * RabbitMQ keeps such a queue on one node, as a classic queue.
   */
  readonly priorities?: boolean | undefined
  /**
   * Whether the queue is this subscription's alone and goes when it goes, as for
   * someone who only looks on. Implies `at-most-once`. Default: `false`.
   */
  readonly temporary?: boolean | undefined
  /** How long handlers may go on when the subscription stops. Default: 10 seconds. */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * What the span that published an event is to the span that handles it. Default:
   * `link`. A trace of its own for each handling is what OpenTelemetry recommends;
   * `parent` makes one trace of both, which reads well where events are handled
   * within seconds, and by few.
   */
  readonly producerSpan?: "link" | "parent" | undefined
}

const wholeFromOne = (what: string, value: number | undefined, most: number): number | undefined => {
  if (value !== undefined && (!Number.isInteger(value) || value < 1 || value > most)) {
    throw new RangeError(`${what} must be a whole number from 1 to ${most}, not ${value}`)
  }
  return value
}

/** RabbitMQ keeps times to live in 32 bits. */
const maxTtl = 2 ** 32 - 1

/**
 * Makes a subscription.
 *
 * **Details**
 *
 * With `events`, the handler receives those types, and anything else that
 * arrives in the queue is a dead letter. The queue is bound to `{name}.*` for
 * each of them, unless `patterns` say otherwise. With `patterns` alone, the
 * handler receives any event, its payload as plain JSON.
 *
 * The name is that of a queue. Subscriptions of one name share its events; each
 * name gets its own copy.
 *
 * The name `dlq.{queue}` consumes the dead letters of that queue, and needs
 * neither events nor patterns: it is bound to nothing and gets no live events. A
 * dead letter that its handler gives up on, or that is none of its `events`, goes
 * on to `dlq.dlq.{queue}`.
 *
 * A bad name, a bad pattern, two event types of one name, a subscription that could never receive anything, a
 * `concurrency` that is not a whole number from 1 to 65535, and dead letters for
 * an at-most-once subscription are `RangeError`s.
 *
 * **Example** (By type, and by pattern)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { EventType, Subscription } from "effect-eventbus"
 *
 * const InvoicePaid = EventType.make("invoice.paid", { payload: Schema.Struct({ cents: Schema.Int }) })
 *
 * const billing = Subscription.make("billing", { events: [InvoicePaid], concurrency: 8 })
 * const urgent = Subscription.make("pager", { patterns: ["task.*.critical", "plan.failed.*"] })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: {
  (name: `dlq.${string}`, options?: Options): Subscription<Event.Event<string, Schema.JsonObject>>
  (
    name: string,
    options: Options & {
      readonly patterns: ReadonlyArray<string>
      readonly events?: undefined
    }
  ): Subscription<Event.Event<string, Schema.JsonObject>>
  <const Types extends readonly [EventType.Any, ...ReadonlyArray<EventType.Any>]>(
    name: string,
    options: Options & {
      readonly events: Types
      readonly patterns?: ReadonlyArray<string> | undefined
    }
  ): Subscription<EventType.EventOf<Types[number]>>
} = (
  name: string,
  options: Options & {
    readonly events?: ReadonlyArray<EventType.Any> | undefined
    readonly patterns?: ReadonlyArray<string> | undefined
  } = {}
): Subscription<never> => {
  QueueSpec.checkQueue(name)
  const types = options.events ?? []
  const twice = types.find((type, i) => types.some((other, j) => j < i && other !== type && other.name === type.name))
  if (twice !== undefined) {
    throw new RangeError(
      `The subscription "${name}" names two event types called "${twice.name}": only one of them could decode its events`
    )
  }
  const patterns = (options.patterns ?? types.map((type) => `${type.name}.*`)).map(RoutingKey.checkPattern)
  const forDeadLetters = QueueSpec.isDeadLetterQueue(name)
  if (patterns.length === 0 && !forDeadLetters) {
    throw new RangeError(`The subscription "${name}" names neither events nor patterns, so nothing would reach it`)
  }
  const temporary = options.temporary ?? false
  if (temporary && options.guarantee === "at-least-once") {
    throw new RangeError(`The subscription "${name}" is temporary: what it has not handled goes with its queue`)
  }
  const atMostOnce = temporary || options.guarantee === "at-most-once"
  if (atMostOnce && options.deadLetter === true) {
    throw new RangeError(
      `The subscription "${name}" is at-most-once: its events are gone before they could be dead-lettered`
    )
  }
  const messageTtl = options.messageTtl === undefined ? undefined : Duration.toMillis(options.messageTtl)
  return {
    [TypeId]: TypeId,
    name,
    events: types,
    patterns: forDeadLetters ? [] : [...new Set(patterns)],
    concurrency: wholeFromOne(`The concurrency of "${name}"`, options.concurrency, 65535),
    deadLetterQueue: (options.deadLetter ?? !atMostOnce) ? QueueSpec.deadLetterQueueOf(name) : undefined,
    messageTtl: wholeFromOne(`The messageTtl of "${name}" in milliseconds`, messageTtl, maxTtl),
    atMostOnce,
    priorities: options.priorities ?? false,
    temporary,
    drainTimeout: Duration.fromInputUnsafe(options.drainTimeout ?? "10 seconds"),
    producerSpan: options.producerSpan ?? "link",
    decode: EventCodec.decoder(types)
  }
}
