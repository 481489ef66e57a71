/**
 * The links between an event and the event that caused it.
 *
 * Correlation is ambient. While a handler runs, every event that it creates or
 * publishes inherits the trace and the execution of the handled event, and names the
 * handled event as its parent. You can override each of them.
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
 * The empty correlation, which applies outside of handlers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: Correlation = { traceId: undefined, executionId: undefined, parentEventId: undefined }

/**
 * The current correlation.
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
