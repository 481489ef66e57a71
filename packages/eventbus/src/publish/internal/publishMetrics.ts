/**
 * Counts publishes and their outcomes.
 *
 * @internal
 */

import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type { Reason } from "../../broker/PublishError.ts"
import * as Metrics from "../../telemetry/Metrics.ts"

/** Creates a counter for the publishes of a bus. */
export const counter = (registry: Metrics.Registry, clock: Clock.Clock) => {
  const published = Metrics.all.published.series(registry, {})
  const confirmed = Metrics.all.confirmed.series(registry, {})
  const returned = Metrics.all.returned.series(registry, {})
  const nacked = Metrics.all.nacked.series(registry, {})
  const inFlight = Metrics.all.inFlight.series(registry, {})
  const confirmSeconds = Metrics.all.confirmSeconds.series(registry, {})
  const notPublished = Metrics.byErrorType((error_type) => Metrics.all.notPublished.series(registry, { error_type }))

  const failed = (cause: Cause.Cause<Reason>): void => {
    const reason = Result.getOrUndefined(Cause.findError(cause))?._tag
    if (reason === "Unroutable") returned(1)
    else if (reason === "Nacked") nacked(1)
    else notPublished(reason ?? (Cause.hasInterruptsOnly(cause) ? "Interrupted" : "Defect"))
  }

  /** Counts a publish, and its outcome when it ends. */
  return (publish: Effect.Effect<void, Reason>): Effect.Effect<void, Reason> => {
    const since = clock.monotonicTimeNanosUnsafe()
    published(1)
    inFlight(1)
    return Effect.onExitPrimitive(publish, (exit) => {
      inFlight(-1)
      if (Exit.isFailure(exit)) failed(exit.cause)
      else {
        confirmed(1)
        confirmSeconds(Number(clock.monotonicTimeNanosUnsafe() - since) / 1e9)
      }
      return undefined
    })
  }
}
