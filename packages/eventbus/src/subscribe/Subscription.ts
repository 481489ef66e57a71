/**
 * A subscription as data: a queue, the events that it receives, and its settings.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
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
  /** The event types that its handler receives. Empty: any event. */
  readonly events: ReadonlyArray<EventType.Any>
  readonly decode: EventCodec.Decoder<E>
  /** Whether events leave the queue before they are handled, instead of after. */
  readonly atMostOnce: boolean
  /** The time that running handlers get when the subscription stops. */
  readonly drainTimeout: Duration.Duration
  /** The relation of the span that published an event to the span that handles it. */
  readonly producerSpan: "link" | "parent"
  /** The order of its events, if they have one. */
  readonly ordering?: Ordering<E> | undefined
}

/**
 * The order in which a subscription handles its events.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ordering<E extends Event.Event> {
  /** Returns the key of an event. Events with the same key are handled in the order of the queue. */
  keyOf(event: E): string
  /** The longest time for which an event is retried in its place. Then its key is parked. */
  readonly holdFor: Duration.Duration
}

/**
 * Returns whether a value is a subscription.
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
   * The number of events that are handled at once. Default: the broker's configured
   * prefetch count, but no more than `prefetch`.
   */
  readonly concurrency?: number | undefined
  /**
   * The number of events that the broker hands out in advance, handled or waiting. More
   * than the concurrency keeps short handlers busy, such as one at a time with a prefetch
   * of 50. Those that wait are not handed to other instances. Default: the concurrency.
   */
  readonly prefetch?: number | undefined
  /**
   * Whether events that cannot be handled are kept in `dlq.{queue}`. When `false`, they
   * are discarded and counted. Default: `true`, or `false` for at-most-once.
   */
  readonly deadLetter?: boolean | undefined
  /** The longest time that an event may wait in the queue. Then it becomes a dead letter. Default: no limit. */
  readonly messageTtl?: Duration.Input | undefined
  /**
   * The delivery guarantee. `at-most-once` removes an event from the queue before it is
   * handled. No event is handled twice, but a failure, a crash or a stop may lose it.
   * There are no retries and no dead letters. Default: `at-least-once`.
   */
  readonly guarantee?: "at-least-once" | "at-most-once" | undefined
  /**
   * Whether more urgent events overtake others in the queue. On RabbitMQ, such a queue
   * is a classic queue, which lives on one node. Default: `false`.
   */
  readonly priorities?: boolean | undefined
  /**
   * Whether the queue belongs to this subscription alone and is deleted with it. Use it
   * to watch events. Implies `at-most-once`. Default: `false`.
   */
  readonly temporary?: boolean | undefined
  /** The time that running handlers get when the subscription stops. Default: 10 seconds. */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * The longest time for which an event of an ordered subscription is retried in its place.
   * Later events of its key wait for it. Default: 30 seconds. At most 10 minutes.
   */
  readonly holdFor?: Duration.Input | undefined
  /**
   * The relation of the span that published an event to the span that handles it. With
   * `link`, each handling has a trace of its own, as OpenTelemetry recommends. With
   * `parent`, publish and handling share a trace, which suits events that a few handlers
   * handle within seconds. Default: `link`.
   */
  readonly producerSpan?: "link" | "parent" | undefined
}

/**
 * The option that orders the events of a subscription.
 *
 * @category models
 * @since 0.1.0
 */
export interface OrderedBy<in E extends Event.Event> {
  /**
   * Returns the key of an event, of 1 to 255 bytes. Events with the same key are handled one
   * at a time, in the order of the queue, also across processes: one process handles them,
   * and others stand by. Events with different keys are handled at once.
   *
   * When an event cannot be handled, its key is parked: the event and all later ones of its
   * key become dead letters, in their order. A replay of them lets the key go on. An event
   * for which the function throws becomes a dead letter by itself.
   */
  readonly orderedBy?: ((event: E) => string) | undefined
}

/** RabbitMQ ends a channel that holds a delivery for longer than its `consumer_timeout`, 30 minutes by default. */
const maxHold = Duration.minutes(10)

/** Returns the order that options ask for, if they ask for one. */
const orderingOf = (
  name: string,
  { holdFor, orderedBy, priorities }: Options & OrderedBy<never>,
  atMostOnce: boolean
): Ordering<never> | undefined => {
  if (orderedBy === undefined) {
    if (holdFor === undefined) return undefined
    throw new RangeError(`The subscription "${name}" has a holdFor, but is not ordered: use orderedBy`)
  }
  const refuse = (why: string) => new RangeError(`The subscription "${name}" cannot be ordered: ${why}`)
  if (atMostOnce) throw refuse("it is at-most-once, so its events leave the queue before they are handled")
  if (priorities === true) throw refuse("with priorities, events overtake each other")
  if (QueueSpec.isDeadLetterQueue(name)) throw refuse("it handles dead letters")
  const hold = Duration.fromInput(holdFor ?? "30 seconds")
  if (Option.isNone(hold) || Duration.isLessThanOrEqualTo(hold.value, Duration.zero)) {
    throw new RangeError(`The holdFor of "${name}" must be more than 0, not ${String(holdFor)}`)
  }
  if (Duration.isGreaterThan(hold.value, maxHold)) {
    throw new RangeError(`The holdFor of "${name}" must be at most ${Duration.format(maxHold)}`)
  }
  return { keyOf: orderedBy, holdFor: hold.value }
}

const wholeFromOne = (what: string, value: number | undefined, most: number): number | undefined => {
  if (value !== undefined && (!Number.isInteger(value) || value < 1 || value > most)) {
    throw new RangeError(`${what} must be a whole number from 1 to ${most}, not ${value}`)
  }
  return value
}

/** RabbitMQ stores a time to live in 32 bits. */
const maxTtl = 2 ** 32 - 1

/**
 * Creates a subscription.
 *
 * **Details**
 *
 * With `events`, the handler receives events of those types. Any other event in the
 * queue becomes a dead letter. The queue is bound to `{type}.*` for each type, unless
 * you give `patterns`. With `patterns` alone, the handler receives any event, with its
 * payload as plain JSON.
 *
 * The name is the name of the queue. Subscriptions with the same name share its events.
 * Subscriptions with different names each receive a copy.
 *
 * A subscription named `dlq.{queue}` consumes the dead letters of that queue. It needs
 * neither events nor patterns: it is not bound, and receives no live events. A dead
 * letter that its handler gives up on, or whose type is not among its `events`, moves
 * on to `dlq.dlq.{queue}`.
 *
 * Throws a `RangeError` for an invalid name or pattern, for two event types with the
 * same name, for a subscription that could never receive an event, for a `concurrency`
 * or `prefetch` that is not a whole number from 1 to 65535, for a `prefetch` below the
 * concurrency, for dead letters with at-most-once, and for `orderedBy` with at-most-once,
 * with priorities, with dead letters of another queue, or with a `holdFor` that is not from
 * 0 to 10 minutes.
 *
 * **Example** (Subscribing by type and by pattern)
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
  /**
   * Creates a subscription to the dead letters of a queue: `dlq.{queue}`.
   *
   * It needs neither events nor patterns: it is not bound, and receives no live events.
   * A dead letter that its handler gives up on moves on to `dlq.dlq.{queue}`.
   */
  (name: `dlq.${string}`, options?: Options): Subscription<Event.Event<string, Schema.JsonObject>>
  /**
   * Creates a subscription that selects events by routing key patterns.
   *
   * The handler receives any event, with its payload as plain JSON. Subscriptions with
   * the same name share the events of one queue.
   */
  (
    name: string,
    options: Options &
      OrderedBy<Event.Event<string, Schema.JsonObject>> & {
        readonly patterns: ReadonlyArray<string>
        readonly events?: undefined
      }
  ): Subscription<Event.Event<string, Schema.JsonObject>>
  /**
   * Creates a subscription that selects events by their types.
   *
   * Any other event in the queue becomes a dead letter. The queue is bound to `{type}.*`
   * for each type, unless you give `patterns`. Subscriptions with the same name share
   * the events of one queue.
   */
  <const Types extends readonly [EventType.Any, ...ReadonlyArray<EventType.Any>]>(
    name: string,
    options: Options &
      OrderedBy<EventType.EventOf<Types[number]>> & {
        readonly events: Types
        readonly patterns?: ReadonlyArray<string> | undefined
      }
  ): Subscription<EventType.EventOf<Types[number]>>
} = (
  name: string,
  options: Options &
    OrderedBy<never> & {
      readonly events?: ReadonlyArray<EventType.Any> | undefined
      readonly patterns?: ReadonlyArray<string> | undefined
    } = {}
): Subscription<never> => {
  QueueSpec.checkQueue(name)
  const types = options.events ?? []
  const twice = types.find((type, i) => types.some((other, j) => j < i && other !== type && other.name === type.name))
  if (twice !== undefined) {
    throw new RangeError(
      `The subscription "${name}" has two event types called "${twice.name}", but only one of them could decode its events: keep the newest, with a step from the other version in its "from"`
    )
  }
  const patterns = (options.patterns ?? types.map((type) => `${type.name}.*`)).map(RoutingKey.checkPattern)
  const forDeadLetters = QueueSpec.isDeadLetterQueue(name)
  if (patterns.length === 0 && !forDeadLetters) {
    throw new RangeError(`The subscription "${name}" has neither events nor patterns, so it would receive nothing`)
  }
  const temporary = options.temporary ?? false
  if (temporary && options.guarantee === "at-least-once") {
    throw new RangeError(
      `The subscription "${name}" is temporary, so it cannot be at-least-once: unhandled events are deleted with its queue`
    )
  }
  const atMostOnce = temporary || options.guarantee === "at-most-once"
  if (atMostOnce && options.deadLetter === true) {
    throw new RangeError(
      `The subscription "${name}" is at-most-once, so it cannot have dead letters: its events leave the queue first`
    )
  }
  const ordering = orderingOf(name, options, atMostOnce)
  const concurrency = wholeFromOne(`The concurrency of "${name}"`, options.concurrency, 65535)
  const prefetch = wholeFromOne(`The prefetch of "${name}"`, options.prefetch, 65535)
  if (prefetch !== undefined && concurrency !== undefined && prefetch < concurrency) {
    throw new RangeError(
      `The prefetch of "${name}" must be at least its concurrency, ${concurrency}, not ${prefetch}: fewer events could be handled at once`
    )
  }
  const messageTtl = options.messageTtl === undefined ? undefined : Duration.toMillis(options.messageTtl)
  return {
    [TypeId]: TypeId,
    name,
    events: types,
    patterns: forDeadLetters ? [] : [...new Set(patterns)],
    concurrency,
    prefetch,
    deadLetterQueue: (options.deadLetter ?? !atMostOnce) ? QueueSpec.deadLetterQueueOf(name) : undefined,
    messageTtl: wholeFromOne(`The messageTtl of "${name}" in milliseconds`, messageTtl, maxTtl),
    atMostOnce,
    priorities: options.priorities ?? false,
    temporary,
    drainTimeout: Duration.fromInputUnsafe(options.drainTimeout ?? "10 seconds"),
    producerSpan: options.producerSpan ?? "link",
    ...(ordering === undefined ? {} : { ordering, singleActive: true }),
    decode: EventCodec.decoder(types)
  }
}
