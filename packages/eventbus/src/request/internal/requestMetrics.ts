/**
 * Counts requests and their outcomes.
 *
 * @internal
 */

import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Metrics from "../../telemetry/Metrics.ts"
import type { RequestError } from "../RequestError.ts"

const outcomeOf = (cause: Cause.Cause<RequestError>): string =>
  Result.getOrUndefined(Cause.findError(cause))?.reason._tag ??
  (Cause.hasInterruptsOnly(cause) ? "Interrupted" : "Defect")

/** Creates a counter for the requests of a bus. */
export const counter = (registry: Metrics.Registry, clock: Clock.Clock) => {
  const waiting = Metrics.all.requestsWaiting.series(registry, {})
  const seconds = Metrics.all.requestSeconds.series(registry, {})
  const ended = Metrics.byErrorType((outcome) => Metrics.all.requests.series(registry, { outcome }))

  /** Counts a request, and its outcome when it ends. */
  return <A>(request: Effect.Effect<A, RequestError>, successOf: (answer: A) => string) => {
    const since = clock.monotonicTimeNanosUnsafe()
    waiting(1)
    return Effect.onExitPrimitive(request, (exit) => {
      waiting(-1)
      if (Exit.isFailure(exit)) ended(outcomeOf(exit.cause))
      else {
        ended(successOf(exit.value))
        seconds(Number(clock.monotonicTimeNanosUnsafe() - since) / 1e9)
      }
      return undefined
    })
  }
}
