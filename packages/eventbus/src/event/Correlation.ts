/**
 * What links an event to the one that caused it.
 *
 * Correlation is ambient: while a handler runs, every event that it creates or
 * publishes takes over the handled event's trace and execution, and names the
 * handled event as its parent, unless told otherwise.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"

/**
 * The correlation that new events inherit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Correlation {
  readonly traceId: string | undefined
  readonly executionId: string | undefined
  readonly parentEventId: string | undefined
}

/**
 * No correlation: what holds outside of a handler.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: Correlation = { traceId: undefined, executionId: undefined, parentEventId: undefined }

/**
 * The correlation that holds here.
 *
 * **Example** (Carrying a trace in from a request)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Correlation } from "effect-eventbus"
 *
 * const traced = Effect.provideService(Correlation.Current, {
 *   ...Correlation.none,
 *   traceId: "1f0b5c1e-0000-4000-8000-00000000000b"
 * })
 *
 * await Effect.runPromise(traced(Correlation.Current))
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Current: Context.Reference<Correlation> = Context.Reference<Correlation>("effect-eventbus/Correlation", {
  defaultValue: () => none
})
