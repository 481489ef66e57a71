/**
 * What the players of the demo share.
 *
 * Its queues have names of their own, and its events go out under keys that begin
 * with `demo.`: on a broker that others use, it neither gets their events nor
 * gives them its own. All events of a run belong to one trace, so that what an
 * earlier run left behind is told apart.
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
  /** Publishes an event under a key of the demo, and enters it into the books. */
  readonly publish: (event: Event) => Effect.Effect<void, PublishError>
}

/**
 * The key under which the demo publishes.
 *
 * @category naming
 * @since 0.1.0
 */
export const routingKey = (eventType: string, priority: string): string => `demo.${eventType}.${priority}`

/**
 * The queues that outlive a run, as queues of work do.
 *
 * @category naming
 * @since 0.1.0
 */
export const queues = {
  tasks: "demo.tasks",
  deadLetters: "dlq.demo.tasks"
} as const

/**
 * A queue that ends with this run.
 *
 * @category naming
 * @since 0.1.0
 */
export const temporaryQueue = (stage: Stage, name: string): string => `demo.${name}.${stage.traceId}`

/**
 * Whether an event belongs to this run.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isOurs = (stage: Stage, event: Event): boolean => event.traceId === stage.traceId
