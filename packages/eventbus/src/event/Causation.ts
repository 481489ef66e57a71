/**
 * Trees of events, linked by cause and effect.
 *
 * Every event names the event that caused it. From the deliveries and dead letters that
 * you have seen, `forest` builds trees in which each event occurs once, however often
 * you saw it.
 *
 * @since 0.1.0
 */

import * as DateTime from "effect/DateTime"
import type { Envelope } from "../broker/Envelope.ts"
import type { Fault } from "../broker/Fault.ts"
import type { Event } from "./Event.ts"

/**
 * An event with its sightings and the events that it caused.
 *
 * @category models
 * @since 0.1.0
 */
export interface Causation {
  readonly event: Event
  /** In the order of the input. */
  readonly sightings: ReadonlyArray<Sighting>
  /** The events that name this one as their parent, the earliest first. */
  readonly caused: ReadonlyArray<Causation>
}

/**
 * The queue in which an event was seen, and the attempt. A dead letter also has the
 * fault that made it one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sighting {
  readonly queue: string
  readonly attempt: number
  readonly fault: Fault | undefined
}

/**
 * An event as it was seen in a queue, such as a `DecodedDelivery`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly event: Event
  readonly envelope: Envelope
  readonly queue: string
  readonly attempt: number
}

/** A tree under construction. */
interface Growing extends Causation {
  readonly sightings: Array<Sighting>
  readonly caused: Array<Growing>
}

/**
 * Builds the trees of events, the earliest first. The root of a tree is an event whose
 * parent was not seen, or that has none.
 *
 * **Example** (Building the tree of a trace from deliveries)
 *
 * ```ts
 * import * as assert from "node:assert"
 * import { Deferred, Effect } from "effect"
 * import { Causation, DecodedDelivery, EventBus, EventType, Handler, Subscription } from "effect-eventbus"
 *
 * const Asked = EventType.untyped("asked")
 * const Answered = EventType.untyped("answered")
 *
 * const program = Effect.gen(function* () {
 *   const bus = yield* EventBus.EventBus
 *   const seen: Array<DecodedDelivery.DecodedDelivery> = []
 *   const done = yield* Deferred.make<void>()
 *   yield* bus.subscribe(
 *     Handler.make(Subscription.make("desk", { events: [Asked] }), (_, delivery) =>
 *       Effect.gen(function* () {
 *         seen.push(delivery)
 *         yield* bus.publish(yield* Answered.event({}))
 *       })
 *     )
 *   )
 *   yield* bus.subscribe(
 *     Handler.make(Subscription.make("answers", { events: [Answered] }), (_, delivery) => {
 *       seen.push(delivery)
 *       return Deferred.succeed(done, undefined)
 *     })
 *   )
 *   yield* bus.publish(yield* Asked.event({}))
 *   yield* Deferred.await(done)
 *   const [asked] = Causation.forest(seen)
 *   assert.deepStrictEqual(asked?.caused.map(({ event }) => event.eventType), ["answered"])
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(EventBus.layerMemory)))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const forest = (seen: Iterable<Seen>): ReadonlyArray<Causation> => {
  const trees = new Map<string, Growing>()
  for (const { attempt, envelope, event, queue } of seen) {
    const tree = trees.get(event.eventId) ?? { event, sightings: [], caused: [] }
    tree.sightings.push({ queue, attempt, fault: envelope.fault })
    trees.set(event.eventId, tree)
  }
  const parents = new Map<Growing, Growing>()
  const isBelow = (tree: Growing, top: Growing): boolean => {
    for (let at: Growing | undefined = tree; at !== undefined; at = parents.get(at)) if (at === top) return true
    return false
  }
  const timeOf = ({ event }: Causation) => DateTime.toEpochMillis(event.timestamp)
  const tops: Array<Growing> = []
  for (const tree of [...trees.values()].toSorted((a, b) => timeOf(a) - timeOf(b))) {
    const parent = trees.get(tree.event.parentEventId ?? "")
    // Parents come from the wire, so they may form a cycle.
    if (parent === undefined || isBelow(parent, tree)) {
      tops.push(tree)
    } else {
      parents.set(tree, parent)
      parent.caused.push(tree)
    }
  }
  return tops
}
