/**
 * The names and the state that the players of the demo share.
 *
 * The queues and the routing keys begin with `demo.`, so that the demo neither receives
 * events of other applications nor sends them its own. All events of a run have the same
 * trace, which distinguishes them from the events of earlier runs.
 *
 * @since 0.1.0
 */

import type { Event } from "effect-eventbus/Event"
import type { PublishError } from "effect-eventbus/PublishError"
import type * as Effect from "effect/Effect"
import type { Ledger } from "./Ledger.ts"
import type { Screen } from "./Screen.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Stage {
  readonly traceId: string
  readonly ledger: Ledger
  readonly screen: Screen
  /** Whether connections are cut. A temporary queue would go with its connection. */
  readonly isChaotic: boolean
  /** Publishes an event with a routing key of the demo, and records it in the ledger. */
  readonly publish: (event: Event) => Effect.Effect<void, PublishError>
}

/**
 * Returns the routing key of an event of the demo.
 *
 * @category naming
 * @since 0.1.0
 */
export const routingKey = (eventType: string, priority: string): string => `demo.${eventType}.${priority}`

/**
 * The queues that outlive a run.
 *
 * @category naming
 * @since 0.1.0
 */
export const queues = {
  tasks: "demo.tasks",
  deadLetters: "dlq.demo.tasks"
} as const

/**
 * Returns the name of a queue of an observer, which is deleted after this run.
 *
 * @category naming
 * @since 0.1.0
 */
export const observerQueue = (traceId: string, name: "audit" | "results"): string => `demo.${name}.${traceId}`

/**
 * Returns whether an event belongs to this run.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isOurs = (stage: Stage, event: Event): boolean => event.traceId === stage.traceId
